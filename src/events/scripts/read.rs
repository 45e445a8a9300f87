use bytes::Bytes;

use super::super::position::Position;
use super::server::{new_epoch, newest, position_of, stored};
use crate::command::{Command, ScriptContext};
use crate::{FromValue, Result, Value};

/// The implementation of `read.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [history, head]: &[Bytes; 2],
    [epoch, offset, id, most, head_ttl, digits]: &[Bytes; 6],
) -> Result<Value> {
    let mut last = stored(redis, head)?.filter(|text| position_of(text).is_some());
    if let Some(entry) = newest(redis, history)?
        && let Some(newest) = position_of(&entry.position)
    {
        let is_later = |last: Position| newest.epoch == last.epoch && newest.offset > last.offset;
        if last.as_deref().and_then(position_of).is_none_or(is_later) {
            let id = [if entry.id.is_empty() { "" } else { " " }.as_bytes(), &entry.id].concat();
            last = Some([&entry.position[..], &id].concat().into());
        }
    }
    let mut newest = last.unwrap_or_default();
    if newest.is_empty() && head_ttl != "0" {
        newest = Position { epoch: new_epoch(redis, digits)?, offset: 0 }.to_string().into();
        redis.call(Command::new("DEL").arg(history))?;
        redis.call(Command::new("SET").arg(head).arg(&newest).arg("PX").arg(head_ttl))?;
    } else if head_ttl != "0" && position_of(&newest).is_some_and(|last| last.offset == 0) {
        redis.call(Command::new("PEXPIRE").arg(head).arg(head_ttl))?;
    }
    let mut events = Value::Array(Vec::new());
    if let Some(last) = position_of(&newest)
        && most != "0"
        && newest != [&epoch[..], b"-", offset, b" ", id].concat()
    {
        let is_ours = last.epoch.to_string().as_bytes() == &epoch[..];
        let from: &[u8] = if is_ours { offset } else { b"0" };
        let from = [last.epoch.to_string().as_bytes(), b"-", from].concat();
        let to = format!("{}-{}", last.epoch, u64::MAX);
        let range = Command::new("XRANGE").arg(history).arg(from).arg(to).arg("COUNT");
        let (is_positions, most) = match most.strip_prefix(b"-") {
            Some(most) => (true, most),
            None => (false, &most[..]),
        };
        events = redis.call(range.arg(most))?;
        if is_positions {
            let positions = <Vec<(Bytes, Value)>>::from_value(events)?.into_iter();
            let bare = |(at, _)| Value::Array(vec![Value::bulk(at), Value::Array(Vec::new())]);
            events = Value::Array(positions.map(bare).collect());
        }
    }
    Ok(Value::Array(vec![Value::bulk(history.clone()), Value::bulk(newest), events]))
}
