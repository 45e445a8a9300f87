use bytes::Bytes;

use super::server::Server;
use crate::command::ScriptContext;
use crate::command::native::integer;
use crate::{Result, Value};

/// The implementation of `renew.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [reservations]: &[Bytes; 1],
    [id, reserved, lease]: &[Bytes; 3],
) -> Result<Value> {
    let lease = integer(lease)?;
    let server = &mut Server::new(redis, reservations)?;
    server.purge()?;
    let member = [reserved, &b" "[..], id].concat();
    if server.score(&member)?.is_none() {
        return Ok(Value::Integer(0));
    }
    server.add(server.now + lease, &member)?;
    server.live_for(lease)?;
    Ok(Value::Integer(1))
}
