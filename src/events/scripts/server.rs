//! The engine's commands, as the native implementations call them.

use bytes::Bytes;

use super::super::position::Position;
use crate::command::{Command, ScriptContext, native};
use crate::{Error, Result};

/// A new epoch: the clock in microseconds, and random digits that distinguish it if the clock was set back.
pub(super) fn new_epoch(redis: &mut dyn ScriptContext, digits: &[u8]) -> Result<u64> {
    let epoch = [&micros(redis)?.to_string(), &*String::from_utf8_lossy(digits)].concat();
    epoch.parse().map_err(|_| not_a_number())
}

/// The last entry of a stream.
pub(super) struct Newest {
    /// The id of the entry.
    pub(super) position: Bytes,
    /// The id of its event; empty if it has none.
    pub(super) id: Vec<u8>,
}

pub(super) fn newest(redis: &mut dyn ScriptContext, history: &Bytes) -> Result<Option<Newest>> {
    #[derive(serde::Deserialize)]
    struct Content {
        id: String,
    }

    let range = Command::new("XREVRANGE").arg(history).arg("+").arg("-").arg("COUNT").arg(1);
    let entries: Vec<(Bytes, Vec<Bytes>)> = native::run(redis, range)?;
    Ok(entries.into_iter().next().map(|(position, fields)| {
        let id = match &fields[..] {
            [name, event, ..] if name == "event" => {
                serde_json::from_slice::<Content>(&[b"{", &event[..]].concat()).ok()
            }
            _ => None,
        };
        let id =
            id.map(|content| content.id).filter(|id| !id.bytes().any(|b| b.is_ascii_control()));
        Newest { position, id: id.unwrap_or_default().into() }
    }))
}

pub(super) fn stored(redis: &mut dyn ScriptContext, key: &Bytes) -> Result<Option<Bytes>> {
    native::run(redis, Command::new("GET").arg(key))
}

/// The position at the beginning of a text.
pub(super) fn position_of(text: &[u8]) -> Option<Position> {
    let text = std::str::from_utf8(text).ok()?;
    text.split(' ').next()?.parse().ok()
}

pub(super) fn micros(redis: &mut dyn ScriptContext) -> Result<u64> {
    native::clock(redis).map(i64::unsigned_abs)
}

pub(super) fn not_a_number() -> Error {
    Error::server("ERR value is not an integer or out of range")
}
