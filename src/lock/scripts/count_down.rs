use bytes::Bytes;

use super::server::Server;
use crate::command::native::integer;
use crate::command::{Command, ScriptContext};
use crate::{Result, Value};

/// The implementation of `count_down.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [latch]: &[Bytes; 1],
    [token, channel]: &[Bytes; 2],
) -> Result<Value> {
    let server = &mut Server(redis);
    let left: Option<Bytes> = server.run(Command::new("HGET").arg(latch).arg("left"))?;
    let Some(left) = left else { return Ok(Value::Integer(-1)) };
    let (left, part) = (integer(&left)?, [b"part:", &token[..]].concat());
    if left < 1 || server.run(Command::new("HEXISTS").arg(latch).arg(&part))? {
        return Ok(Value::Integer(left));
    }
    server.run::<Value>(Command::new("HSET").arg(latch).arg(&part).arg("1"))?;
    let left: i64 = server.run(Command::new("HINCRBY").arg(latch).arg("left").arg(-1))?;
    if left == 0 {
        // Waiters ask again by themselves.
        let _ = server.0.call(Command::new("PUBLISH").arg(channel).arg("open"));
    }
    Ok(Value::Integer(left))
}
