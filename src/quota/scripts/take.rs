use bytes::Bytes;

use super::server::{LARGEST, Memory, Server};
use crate::command::ScriptContext;
use crate::command::native::integer;
use crate::{Result, Value};

/// The implementation of `take.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [counter, reservations]: &[Bytes; 2],
    args: &[Bytes; 11],
) -> Result<Value> {
    let [mode, amount, most, period, from, id, lease, memory, most_reservations, most_ends, ago] =
        args;
    let member = [amount, &b" "[..], id].concat();
    let (amount, most, ago) = (integer(amount)?, integer(most)?, integer(ago)?);
    let memory = Memory { millis: integer(memory)?, most: integer(most_ends)? };
    let server = &mut Server::new(redis, reservations)?;
    if mode == "add" {
        server.purge()?;
    }
    let live = server.live()?;
    let count = live.len() as i64;
    let amounts = live.iter().map(|member| amount_of(member));
    let mut reserved = amounts.fold(0, |sum: i64, amount| sum.saturating_add(amount));
    let mut used = server.used(counter)?;
    let room = most.saturating_sub(used).saturating_sub(reserved);
    let is_held = server.score(&member)?.unwrap_or(0) > server.now;
    let hold = |server: &mut Server| {
        let till = server.now + integer(lease)?;
        server.keep(till, &member, memory)?;
        if ago > 0 {
            server.remember("asked ", id, memory)?;
        }
        Ok::<_, crate::Error>("taken")
    };
    let what = if mode == "look" || server.knows("taken ", id)? {
        "taken"
    } else if server.knows("held ", id)? || server.knows("late ", id)? {
        "ended"
    } else if mode == "reserve" && is_held {
        hold(server)?
    } else if server.knows("asked ", id)? {
        "ended"
    } else if server.may_have_forgotten(ago, memory)? {
        "forgotten"
    } else if mode == "reserve" {
        if count >= integer(most_reservations)? {
            refuse(server, "full", id, ago, memory)?
        } else if amount > room {
            refuse(server, "exceeded", id, ago, memory)?
        } else {
            reserved = reserved.saturating_add(amount);
            hold(server)?
        }
    } else {
        let after = used.saturating_add(amount).max(0);
        if amount > 0 && (mode == "take" && amount > room || after > LARGEST) {
            refuse(server, "exceeded", id, ago, memory)?
        } else {
            if after != used {
                server.remember("taken ", id, memory)?;
                server.count(counter, after, [period, from])?;
                used = after;
            }
            "taken"
        }
    };
    let left = server.left(counter)?;
    let numbers = [used, reserved, left].map(Value::Integer);
    Ok(Value::Array([Value::bulk(what)].into_iter().chain(numbers).collect()))
}

/// The first request of a call that was sent twice may arrive late, when there is room: it must be refused too.
fn refuse<'a>(
    server: &mut Server,
    why: &'a str,
    id: &[u8],
    ago: i64,
    memory: Memory,
) -> Result<&'a str> {
    if ago > 0 {
        server.remember("late ", id, memory)?;
    }
    Ok(why)
}

/// The digits that a reservation begins with.
fn amount_of(member: &[u8]) -> i64 {
    let digits = member.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum: i64, digit| sum.saturating_mul(10).saturating_add((digit - b'0').into()))
}
