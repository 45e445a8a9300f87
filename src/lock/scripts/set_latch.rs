use bytes::Bytes;

use super::server::Server;
use crate::command::{Command, ScriptContext};
use crate::{Result, Value};

/// The implementation of `set_latch.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [latch]: &[Bytes; 1],
    [count, ttl]: &[Bytes; 2],
) -> Result<Value> {
    let server = &mut Server(redis);
    if server.run(Command::new("EXISTS").arg(latch))? {
        return Ok(Value::Integer(0));
    }
    server.run::<Value>(Command::new("HSET").arg(latch).arg("left").arg(count))?;
    Ok(Value::Integer(server.expire(latch, ttl)?.into()))
}
