use bytes::Bytes;

use super::server::{Kind, Server, Waiters};
use crate::command::native::integer;
use crate::command::{Command, ScriptContext};
use crate::{Result, Value};

/// The implementation of `release.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [lock, queue, alive, ended]: &[Bytes; 4],
    [token, most, memory]: &[Bytes; 3],
) -> Result<Value> {
    let server = &mut Server(redis);
    let (memory, now) = (integer(memory)?, server.micros()? / 1000);
    if let Some(before) = server.score(ended, token)? {
        return Ok(Value::Integer(before % 2));
    }
    let kind: String = server.run(Command::new("TYPE").arg(lock))?;
    let (mut held, mut holders, mut state) = (false, 0, Kind::Free);
    if kind == "zset" {
        server.remove_up_to(lock, now)?;
        held = server.remove(lock, token)?;
        holders = server.count(lock)?;
        state = if holders == 0 { Kind::Free } else { Kind::Shared };
        if held && holders > 0 {
            server.expire_with_the_last(lock)?;
        }
    } else if kind != "none" {
        held = server.get(lock)?.as_ref() == Some(token);
        state = if held { Kind::Free } else { Kind::Exclusive };
        if held {
            server.run::<Value>(Command::new("DEL").arg(lock))?;
        }
    }
    let waiters = Waiters { queue, alive, now };
    for kind in [b"x", b"s"] {
        waiters.forget(server, &[kind, &token[..]].concat())?;
    }
    server.add(ended, now * 2 + i64::from(held), token)?;
    server.remove_up_to(ended, (now - memory) * 2)?;
    if server.count(ended)? > 1000 {
        // Ends of the future are from before the clock was set back.
        let future = Command::new("ZREMRANGEBYSCORE").arg(ended).arg(format!("({}", now * 2 + 1));
        server.run::<Value>(future.arg("+inf"))?;
        server.run::<Value>(Command::new("ZREMRANGEBYRANK").arg(ended).arg(0).arg(-1001))?;
    }
    server.expire(ended, memory)?;
    // An exclusive caller does not know how many may share the lock. A waiter that is woken in vain asks once.
    let places = match (state, &most[..]) {
        (Kind::Exclusive, _) => 0,
        (_, b"x" | b"0") => i64::MAX,
        (_, most) => integer(most)? - holders,
    };
    waiters.wake(server, state, places)?;
    Ok(Value::Integer(held.into()))
}
