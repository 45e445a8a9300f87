use bytes::Bytes;

use super::server::Server;
use crate::command::native::integer;
use crate::command::{Command, ScriptContext};
use crate::{Result, Value};

/// The implementation of `renew.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [lock]: &[Bytes; 1],
    [token, ttl]: &[Bytes; 2],
) -> Result<Value> {
    let server = &mut Server(redis);
    let kind: String = server.run(Command::new("TYPE").arg(lock))?;
    let renewed = match kind.as_str() {
        "none" => false,
        "zset" => {
            let now = server.micros()? / 1000;
            // A Redis that is full takes ZADD after a write that frees memory only.
            server.remove_up_to(lock, now)?;
            if server.score(lock, token)?.is_none() {
                return Ok(Value::Integer(0));
            }
            server.add(lock, now + integer(ttl)?, token)?;
            server.expire_with_the_last(lock)?
        }
        _ => server.get(lock)?.as_ref() == Some(token) && server.expire(lock, ttl)?,
    };
    Ok(Value::Integer(renewed.into()))
}
