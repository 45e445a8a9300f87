use std::sync::LazyLock;

use bytes::Bytes;

use super::ask::{Ask, Content, Look, Looks, reading, stored, ttl};
use crate::client::ScriptBatch;
use crate::command::{Command, Script};
use crate::keyspace::RedisType;
use crate::{Client, Error, ErrorKind, FromValue, Result, Value};

/// Reads one key. Its arguments are the command that measures the key; the most elements and bytes with which it is read;
/// the most elements with which its bytes are counted; and the command that reads it.
///
/// The reply has the time to live in milliseconds. For a key of another type, the type follows. Otherwise the number of
/// elements, the number of bytes, and the value follow, if it was read.
pub(crate) static LOOK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local ttl = redis.call('PTTL', KEYS[1]) if ttl == -2 then return {ttl} end \
         local size = redis.pcall(ARGV[1], KEYS[1]) \
         if type(size) == 'table' then return {ttl, redis.call('TYPE', KEYS[1]).ok} end \
         local elements, bytes = size, 0 \
         if ARGV[1] == 'STRLEN' then elements, bytes = 1, size \
         elseif size > tonumber(ARGV[4]) then return {ttl, size, 0} \
         else local usage = redis.pcall('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', '0') \
         if type(usage) == 'number' then bytes = usage end end \
         if elements > tonumber(ARGV[2]) or bytes > tonumber(ARGV[3]) then return {ttl, elements, bytes} end \
         return {ttl, elements, bytes, redis.call(ARGV[5], KEYS[1], unpack(ARGV, 6))}",
    )
    .key_locking()
    .with_native(|redis, keys, args| {
        let wrong = || Error::server("ERR wrong number of arguments");
        let [key] = keys else { return Err(wrong()) };
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
    })
});

/// The lengths of the strings of a reply.
fn length(value: &Value) -> u64 {
    match value {
        Value::Array(items) | Value::Set(items) => items.iter().map(length).sum(),
        Value::Map(pairs) => pairs.iter().map(|(name, value)| length(name) + length(value)).sum(),
        other => other.as_bytes().map_or(8, |bytes| bytes.len() as u64),
    }
}

/// Reads keys by the script, one command each. If the server does not run it, returns the number of commands that were
/// sent.
pub(super) async fn look(
    client: &Client,
    asks: &[Ask<'_>],
    measured: u64,
) -> Result<Result<Looks, u64>> {
    let mut batch = ScriptBatch::new(client);
    for ask in asks {
        let (measure, read) = reading(ask.redis_type);
        let numbers =
            [ask.limits.elements, ask.limits.bytes, measured].map(|number| number.to_string());
        let args = [measure].into_iter().chain(numbers.iter().map(String::as_str));
        let _ = batch.script(&LOOK, [ask.key], args.chain(read.iter().copied()));
    }
    let commands = asks.len() as u64;
    let refused = |error: &Error| {
        let kinds = [ErrorKind::Server, ErrorKind::Unsupported, ErrorKind::Unauthorized];
        kinds.contains(&error.kind()) && !error.is_transient()
    };
    let mut replies = match batch.exec().await {
        Ok(replies) => replies,
        Err(error) if refused(&error) => return Ok(Err(commands)),
        Err(error) => return Err(error),
    };
    let mut looks = Vec::with_capacity(asks.len());
    for (at, ask) in asks.iter().enumerate() {
        match replies.take::<Vec<Value>>(at) {
            Ok(reply) => looks.push(parsed(ask.redis_type, reply)?),
            Err(error) if refused(&error) => return Ok(Err(commands)),
            Err(error) => return Err(error),
        }
    }
    Ok(Ok(Looks { looks, commands }))
}

fn parsed(redis_type: RedisType, reply: Vec<Value>) -> Result<Option<Look>> {
    let mut reply = reply.into_iter();
    let mut next = || reply.next().unwrap_or_default();
    let Some(ttl) = ttl(next())? else { return Ok(None) };
    let content = match (next(), next(), next()) {
        (name, Value::Nil, _) => Content::OfType(String::from_value(name)?),
        (elements, bytes, whole) => {
            let (elements, bytes) = (u64::from_value(elements)?, u64::from_value(bytes)?);
            match whole {
                Value::Nil => Content::Size { elements, bytes },
                whole => Content::Whole { stored: stored(redis_type, whole)?, elements, bytes },
            }
        }
    };
    Ok(Some(Look { ttl, content }))
}
