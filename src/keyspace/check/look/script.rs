use super::ask::{Ask, Content, Look, Looks, reading, stored, ttl};
use crate::client::ScriptBatch;
use crate::keyspace::RedisType;
use crate::keyspace::check::look::scripts::LOOK;
use crate::{Client, Error, ErrorKind, FromValue, Result, Value};

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
