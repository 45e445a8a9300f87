//! Tokens: unique texts made of the server's clock and a random text of the caller's. Leases and versions of tags are
//! tokens. A command that arrives late, or a second time, makes a token that no caller knows.

use bytes::Bytes;

use crate::command::{Command, ScriptContext};
use crate::{Error, FromValue, Result, platform};

/// The caller's part of a token.
pub(super) fn random_text() -> Result<String> {
    Ok(format!("{:016x}", u64::from_le_bytes(platform::random()?)))
}

/// A new token with this random text, as the scripts make it.
pub(super) fn new_token(redis: &mut dyn ScriptContext, random: &[u8]) -> Result<Vec<u8>> {
    let now = redis.call(Command::new("TIME"))?;
    let [seconds, micros] = <Vec<Bytes>>::from_value(now)?
        .try_into()
        .map_err(|_| Error::server("ERR TIME did not return two numbers"))?;
    Ok([&seconds[..], b".", &micros, b"-", random].concat())
}
