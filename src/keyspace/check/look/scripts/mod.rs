//! The script that reads one key for the check, and its native implementation.

use bytes::Bytes;

use crate::command::{Command, ScriptContext, script};
use crate::{Error, FromValue, Result, Value};

script! {
    /// Reads one key. Its arguments are the command that measures the key; the most elements and bytes with which it is read;
    /// the most elements with which its bytes are counted; and the command that reads it.
    ///
    /// The reply has the time to live in milliseconds. For a key of another type, the type follows. Otherwise the number of
    /// elements, the number of bytes, and the value follow, if it was read.
    pub(crate) static LOOK: Script = {
        file: "look.lua",
        keys: 1,
        args: ..,
        flags: [key_locking],
        native: look,
    };
}

fn look(redis: &mut dyn ScriptContext, [key]: &[Bytes; 1], args: &[Bytes]) -> Result<Value> {
    let wrong = || Error::server("ERR wrong number of arguments");
    let [measure, elements, bytes, measured, read, rest @ ..] = args else { return Err(wrong()) };
    let text = |arg: &Bytes| String::from_utf8_lossy(arg).into_owned();
    let number = |arg: &Bytes| text(arg).parse::<u64>().map_err(|_| wrong());
    let ttl = redis.call(Command::new("PTTL").arg(key))?;
    if ttl == Value::Integer(-2) {
        return Ok(Value::Array(vec![ttl]));
    }
    let Ok(size) = redis.call(Command::new(text(measure)).arg(key)) else {
        let name = String::from_value(redis.call(Command::new("TYPE").arg(key))?)?;
        return Ok(Value::Array(vec![ttl, Value::bulk(name)]));
    };
    let size = u64::from_value(size)?;
    let is_string = measure == "STRLEN";
    let count = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    if !is_string && size > number(measured)? {
        return Ok(Value::Array(vec![ttl, count(size), count(0)]));
    }
    let whole = redis.call(Command::new(text(read)).arg(key).args_from(rest))?;
    let (count_of, size) = if is_string { (1, size) } else { (size, length(&whole)) };
    let mut reply = vec![ttl, count(count_of), count(size)];
    if count_of <= number(elements)? && size <= number(bytes)? {
        reply.push(whole);
    }
    Ok(Value::Array(reply))
}

/// The lengths of the strings of a reply.
fn length(value: &Value) -> u64 {
    match value {
        Value::Array(items) | Value::Set(items) => items.iter().map(length).sum(),
        Value::Map(pairs) => pairs.iter().map(|(name, value)| length(name) + length(value)).sum(),
        other => other.as_bytes().map_or(8, |bytes| bytes.len() as u64),
    }
}
