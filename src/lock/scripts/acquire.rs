use bytes::Bytes;

use super::server::{Kind, LONGEST_ALIVE, LOOK_AT, LOOKS, Server, Waiters};
use crate::command::native::integer;
use crate::command::{Command, ScriptContext};
use crate::{Error, Result, Value};

/// Larger integers are not exact in Lua.
const TOO_LARGE: i64 = (1 << 53) - 1;
const QUEUE_TTL: i64 = 600_000;

fn reply(happened: i64, fence: i64, left: i64, counter: i64) -> Value {
    Value::Array([happened, fence, left, counter].map(Value::Integer).into())
}

struct State<'a> {
    lock: &'a Bytes,
    waiters: Waiters<'a>,
    exclusive: bool,
    most: i64,
    kind: Kind,
    holders: i64,
    micros: i64,
    /// How long the waiter that has the next turn counts as alive at most; -1 if no waiter stands in the way.
    first_lasts: i64,
}

impl State<'_> {
    /// How many more shared holders there may be, as far as the caller knows: an exclusive one does not.
    fn room(&self) -> i64 {
        match (self.kind, self.most) {
            (Kind::Exclusive, _) => 0,
            (_, 0) => i64::MAX,
            (_, most) => most - self.holders,
        }
    }

    /// Whether no waiter before this one stands in its way.
    fn is_next(&mut self, server: &mut Server, me: &[u8]) -> Result<bool> {
        let mut ahead = 0;
        // Each look may find dead waiters alone, which it removes.
        for _ in 0..LOOKS {
            let waiters = self.waiters.waiters_from(server, ahead)?;
            for waiter in &waiters {
                if waiter == me {
                    return Ok(true);
                }
                let left = self.waiters.lasts(server, waiter)?;
                if left == 0 {
                    self.waiters.forget(server, waiter)?;
                } else if self.exclusive || waiter.first() == Some(&b'x') {
                    self.first_lasts = left;
                    return Ok(false);
                } else {
                    ahead += 1;
                    if ahead >= self.room() || ahead >= LOOK_AT {
                        return Ok(false);
                    }
                }
            }
            if (waiters.len() as i64) < LOOK_AT {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wake(&self, server: &mut Server) -> Result<()> {
        self.waiters.wake(server, self.kind, self.room())
    }
}

/// The implementation of `acquire.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [lock, counter, queue, alive, ended]: &[Bytes; 5],
    [token, ttl, most, patience, places, known, floor, lasts]: &[Bytes; 8],
) -> Result<Value> {
    let server = &mut Server(redis);
    let (ttl, patience) = (integer(ttl)?, integer(patience)?);
    let exclusive = &most[..] == b"x";
    let micros = server.micros()?;
    let now = micros / 1000;
    let me = [if exclusive { b"x" } else { b"s" }, &token[..]].concat();
    if server.score(ended, token)?.is_some() {
        return Ok(reply(-1, 0, -1, 0));
    }
    let mut state = State {
        lock,
        waiters: Waiters { queue, alive, now },
        exclusive,
        most: if exclusive { 0 } else { integer(most)? },
        kind: Kind::Free,
        holders: 0,
        micros,
        first_lasts: -1,
    };
    let kind: String = server.run(Command::new("TYPE").arg(lock))?;
    let mut mine = false;
    if kind == "zset" {
        server.remove_up_to(lock, now)?;
        state.holders = server.count(lock)?;
        state.kind = if state.holders == 0 { Kind::Free } else { Kind::Shared };
        mine = !exclusive && server.score(lock, token)?.is_some();
    } else if kind != "none" {
        mine = server.get(lock)?.as_ref() == Some(token) && exclusive;
        (state.kind, state.holders) = (Kind::Exclusive, 1);
    }

    let may_take = match (exclusive, state.kind) {
        (_, Kind::Free) => true,
        (false, Kind::Shared) => state.room() > 0,
        _ => false,
    };
    if mine || may_take && state.is_next(server, &me)? {
        let known = [known, floor, lasts].map(|arg| integer(arg));
        return take(server, &mut state, counter, (token, ttl, &me), (mine, known));
    }

    let left = match state.kind {
        Kind::Exclusive => server.run(Command::new("PTTL").arg(lock))?,
        Kind::Shared => match (server.score_at(lock, 0)?.unwrap_or(now) - now, state.first_lasts) {
            (left, -1) => left,
            (left, first) => left.min(first),
        },
        Kind::Free => state.first_lasts,
    };
    let mut happened = 0;
    if patience > 0 {
        let places = integer(places)?;
        if server.score(queue, &me)?.is_none() {
            if server.count(queue)? >= places {
                let now_and_later = [now.to_string(), format!("({}", now + LONGEST_ALIVE)];
                let [now, later] = &now_and_later;
                for (from, to) in [("-inf", now.as_str()), (later, "+inf")] {
                    let dead = Command::new("ZRANGEBYSCORE").arg(alive).arg(from).arg(to);
                    let dead: Vec<Bytes> = server.run(dead.arg("LIMIT").arg(0).arg(1000))?;
                    dead.iter().try_for_each(|waiter| state.waiters.forget(server, waiter))?;
                }
            }
            if server.count(queue)? >= places {
                happened = -2;
            } else {
                let last = server.score_at(queue, -1)?.unwrap_or(0);
                server.add(queue, (last + 1).max(micros), &me)?;
            }
        }
        if happened == 0 {
            server.add(alive, now + patience, &me)?;
            server.expire(queue, QUEUE_TTL)?;
            server.expire(alive, QUEUE_TTL)?;
        }
    }
    if may_take {
        state.wake(server)?;
    }
    Ok(reply(happened, 0, left, 0))
}

fn take(
    server: &mut Server,
    state: &mut State,
    counter: &Bytes,
    (token, ttl, me): (&Bytes, i64, &[u8]),
    (mine, [known, floor, lasts]): (bool, [Result<i64>; 3]),
) -> Result<Value> {
    let (known, floor, lasts) = (known?, floor?, lasts?);
    let last = server.get(counter)?;
    let mut fence = last.as_ref().and_then(|last| integer(last).ok()).unwrap_or(0);
    let mut went = i64::from(last.is_none());
    if fence < known {
        // A counter that has expired by itself, or would within a tenth of a second, was not lost.
        let has_expired = last.is_none()
            && lasts > 0
            && known.saturating_add((lasts - 100).saturating_mul(1000)) <= state.micros;
        (went, fence) = (if has_expired { went } else { 2 }, known);
    }
    if !(mine && state.exclusive && went == 0) {
        fence = state.micros.max(fence.max(floor).saturating_add(1));
        if fence >= TOO_LARGE {
            return Err(Error::server("ERR the fencing counter is out of range"));
        }
        let set = Command::new("SET").arg(counter).arg(fence);
        server.run::<Value>(if lasts == 0 { set } else { set.arg("PX").arg(lasts) })?;
    }
    if state.exclusive {
        let set = Command::new("SET").arg(state.lock).arg(token).arg("PX").arg(ttl);
        server.run::<Value>(set)?;
        state.kind = Kind::Exclusive;
    } else {
        server.add(state.lock, state.waiters.now + ttl, token)?;
        server.expire_with_the_last(state.lock)?;
        (state.kind, state.holders) = (Kind::Shared, server.count(state.lock)?);
    }
    state.waiters.forget(server, me)?;
    if !state.exclusive {
        state.wake(server)?;
    }
    Ok(reply(1, fence, ttl, went))
}
