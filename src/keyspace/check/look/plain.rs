use bytes::Bytes;

use super::ask::{Ask, Content, Look, Looks, reading, stored, ttl};
use crate::command::Command;
use crate::keyspace::{RedisType, Stored};
use crate::{Client, Error, FromValue, Result, Value};

/// The result of the first round trip for a key.
enum First {
    Gone,
    /// The whole value.
    Whole(Bytes),
    /// It is of another type.
    OtherType,
    /// Its bytes; `None` if the server does not report them.
    Takes(Option<u64>),
}

/// Reads keys by plain read commands. A string takes PTTL and GETRANGE. Other types take PTTL, MEMORY USAGE, and a command
/// that reads the value or, if it is too large, measures it. A key of another type than declared, and a string that is too
/// large, take one more.
pub(super) async fn look(client: &Client, asks: &[Ask<'_>]) -> Result<Looks> {
    let commands: Vec<Command> = asks.iter().flat_map(first).collect();
    let mut sent = commands.len() as u64;
    let mut replies = send(client, &commands).await?;
    let mut known = Vec::with_capacity(asks.len());
    for ask in asks {
        let (left, reply) = (ttl(next(&mut replies)?)?, next(&mut replies));
        known.push(match left {
            Some(left) => (left, learned(ask, reply)?),
            None => (None, First::Gone),
        });
    }

    let pairs = || asks.iter().zip(&known);
    let commands: Vec<Command> =
        pairs().filter_map(|(ask, (_, known))| second(ask, known)).collect();
    sent += commands.len() as u64;
    let mut replies = send(client, &commands).await?;
    let mut looks = Vec::with_capacity(asks.len());
    for (ask, (ttl, first)) in asks.iter().zip(known) {
        let content = match first {
            First::Gone => None,
            First::Whole(text) => {
                let bytes = text.len() as u64;
                Some(Content::Whole { stored: Stored::String(text), elements: 1, bytes })
            }
            First::OtherType => Some(Content::OfType(String::new())),
            First::Takes(bytes) => read(ask, bytes, next(&mut replies))?,
        };
        looks.push(content.map(|content| Look { ttl, content }));
    }

    let is_other = |look: &Option<Look>| {
        look.as_ref().is_some_and(|look| matches!(look.content, Content::OfType(_)))
    };
    let others = || asks.iter().zip(&looks).filter(|(_, look)| is_other(look));
    let commands: Vec<Command> =
        others().map(|(ask, _)| Command::new("TYPE").arg(ask.key)).collect();
    sent += commands.len() as u64;
    let mut replies = send(client, &commands).await?;
    for look in &mut looks {
        if let Some(Look { content: Content::OfType(name), .. }) = look {
            *name = String::from_value(next(&mut replies)?)?;
            if name == "none" {
                *look = None;
            }
        }
    }
    Ok(Looks { looks, commands: sent })
}

type Replies = std::vec::IntoIter<Result<Value>>;

async fn send(client: &Client, commands: &[Command]) -> Result<Replies> {
    Ok(client.send_pipeline(commands).await?.into_iter())
}

fn next(replies: &mut Replies) -> Result<Value> {
    replies.next().unwrap_or(Ok(Value::Nil))
}

fn first(ask: &Ask<'_>) -> [Command; 2] {
    let size = match ask.redis_type {
        // One more byte shows that the string is larger.
        RedisType::String => Command::new("GETRANGE").arg(ask.key).arg(0).arg(ask.limits.bytes),
        _ => Command::new("MEMORY").arg("USAGE").arg(ask.key).arg("SAMPLES").arg(0),
    };
    [Command::new("PTTL").arg(ask.key), size]
}

fn learned(ask: &Ask<'_>, reply: Result<Value>) -> Result<First> {
    let is_string = ask.redis_type == RedisType::String;
    Ok(match reply {
        Err(error) if is_wrong_type(&error) => First::OtherType,
        Err(error) if is_string || error.is_transient() => return Err(error),
        // Not every server has MEMORY USAGE.
        Err(_) => First::Takes(None),
        Ok(text) if is_string => {
            let text = Bytes::from_value(text)?;
            let bytes = text.len() as u64;
            if bytes <= ask.limits.bytes { First::Whole(text) } else { First::Takes(Some(bytes)) }
        }
        Ok(Value::Nil) => First::Gone,
        Ok(bytes) => First::Takes(Some(u64::from_value(bytes)?)),
    })
}

fn second(ask: &Ask<'_>, first: &First) -> Option<Command> {
    let (measure, read) = reading(ask.redis_type);
    match first {
        First::Gone | First::Whole(_) | First::OtherType => None,
        First::Takes(Some(bytes)) if *bytes > ask.limits.bytes => {
            Some(Command::new(measure).arg(ask.key))
        }
        First::Takes(_) => {
            let (name, rest) = read.split_first()?;
            Some(Command::new(*name).arg(ask.key).args_from(rest))
        }
    }
}

/// The content after the second round trip; `None` if the key no longer exists.
fn read(ask: &Ask<'_>, bytes: Option<u64>, reply: Result<Value>) -> Result<Option<Content>> {
    let reply = match reply {
        // MEMORY USAGE does not check the type.
        Err(error) if is_wrong_type(&error) => return Ok(Some(Content::OfType(String::new()))),
        reply => reply?,
    };
    if let Some(bytes) = bytes.filter(|bytes| *bytes > ask.limits.bytes) {
        let size = u64::from_value(reply)?;
        let is_string = ask.redis_type == RedisType::String;
        let (elements, bytes) = if is_string { (1, size) } else { (size, bytes) };
        return Ok(Some(Content::Size { elements, bytes }));
    }
    let stored = stored(ask.redis_type, reply)?;
    let (elements, bytes) = (stored.len() as u64, bytes.unwrap_or(stored.bytes() as u64));
    let is_gone = stored.is_empty();
    Ok((!is_gone).then_some(Content::Whole { stored, elements, bytes }))
}

fn is_wrong_type(error: &Error) -> bool {
    error.code() == Some("WRONGTYPE")
}
