use bytes::Bytes;

use super::server::{Server, integer};
use crate::command::{Command, ScriptContext};
use crate::{Result, Value};

/// The implementation of `count_down.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [latch, counted]: &[Bytes; 2],
    [token, channel]: &[Bytes; 2],
) -> Result<Value> {
    let server = &mut Server(redis);
    let Some(left) = server.get(latch)? else { return Ok(Value::Integer(-1)) };
    let left = integer(&left)?;
    if left < 1 || server.run(Command::new("SISMEMBER").arg(counted).arg(token))? {
        return Ok(Value::Integer(left));
    }
    server.run::<Value>(Command::new("SADD").arg(counted).arg(token))?;
    let ttl: i64 = server.run(Command::new("PTTL").arg(latch))?;
    if ttl > 0 {
        server.expire(counted, ttl)?;
    }
    let left: i64 = server.run(Command::new("DECR").arg(latch))?;
    if left == 0 {
        // Those who wait look again by themselves.
        let _ = server.0.call(Command::new("PUBLISH").arg(channel).arg("open"));
    }
    Ok(Value::Integer(left))
}
