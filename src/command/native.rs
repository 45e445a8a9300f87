//! Helpers for native implementations of scripts.

use super::cmd::{Command, ScriptContext};
use crate::{Error, FromValue, Result};

/// Runs a command, and converts its reply to a Rust type.
pub(crate) fn run<R: FromValue>(redis: &mut dyn ScriptContext, command: Command) -> Result<R> {
    R::from_value(redis.call(command)?)
}

/// The clock in microseconds.
pub(crate) fn clock(redis: &mut dyn ScriptContext) -> Result<i64> {
    match run::<Vec<i64>>(redis, Command::new("TIME"))?[..] {
        [seconds, micros] => Ok(seconds * 1_000_000 + micros),
        _ => Err(Error::server("ERR TIME did not return two numbers")),
    }
}

/// An argument as an integer.
pub(crate) fn integer(arg: &[u8]) -> Result<i64> {
    let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::server("ERR an argument is not an integer"))
}
