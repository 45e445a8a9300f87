use bytes::Bytes;

use super::server::Server;
use crate::command::native::integer;
use crate::command::{Command, ScriptContext};
use crate::{Error, Result, Value};

/// The implementation of `fenced_write.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [key]: &[Bytes; 1],
    [fence, what, value]: &[Bytes; 3],
) -> Result<Value> {
    let server = &mut Server(redis);
    let last: Option<Bytes> = server.run(Command::new("HGET").arg(key).arg("fence"))?;
    if let Some(last) = last {
        let last = integer(&last)
            .map_err(|_| Error::server("ERR the stored fencing token is not a number"))?;
        if last > integer(fence)? {
            return Ok(Value::Integer(last));
        }
    }
    server.run::<Value>(Command::new("HSET").arg(key).arg("fence").arg(fence))?;
    match &what[..] {
        b"set" => {
            server.run::<Value>(Command::new("HSET").arg(key).arg("value").arg(value)).map(drop)?
        }
        b"remove" => server.run::<Value>(Command::new("HDEL").arg(key).arg("value")).map(drop)?,
        _ => {}
    }
    Ok(Value::Integer(0))
}
