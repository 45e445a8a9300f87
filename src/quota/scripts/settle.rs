use bytes::Bytes;

use super::server::{LARGEST, Memory, Server};
use crate::command::ScriptContext;
use crate::command::native::integer;
use crate::{Result, Value};

/// The implementation of `settle.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [counter, reservations]: &[Bytes; 2],
    [id, reserved, actual, period, from, memory, most_ends, ago]: &[Bytes; 8],
) -> Result<Value> {
    let (actual, ago) = (integer(actual)?, integer(ago)?);
    let memory = Memory { millis: integer(memory)?, most: integer(most_ends)? };
    let server = &mut Server::new(redis, reservations)?;
    server.purge()?;
    for (how, answer) in [("held ", 1), ("late ", 0)] {
        if server.knows(how, id)? {
            server.remember(how, id, memory)?;
            return Ok(Value::Integer(answer));
        }
    }
    let used = server.used(counter)?;
    let held = server.remove(&[reserved, &b" "[..], id].concat())?;
    if !held && server.may_have_forgotten(ago, memory)? {
        return Ok(Value::Integer(-1));
    }
    server.remember(if held { "held " } else { "late " }, id, memory)?;
    let after = used.saturating_add(actual).min(LARGEST);
    if after > used {
        server.count(counter, after, [period, from])?;
    }
    Ok(Value::Integer(held.into()))
}
