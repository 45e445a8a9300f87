//! The native implementations of `settle.lua`, `extend.lua` and `end_pull.lua`: the requests of holders.

use bytes::Bytes;

use super::moves::{Ended, mark};
use super::native::{ARGS, KEYS, Server, key_of};
use super::pull::words;
use super::record::{Record, State, number};
use crate::command::{Command, ScriptContext, script_file::wrong_count};
use crate::{Result, Value};

pub(super) fn settle(
    redis: &mut dyn ScriptContext,
    keys: &[Bytes],
    args: &[Bytes],
) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let (deliveries, []) = args[ARGS..].as_chunks::<8>() else { return Err(wrong_count()) };
    let mut results = keys[KEYS..].iter();
    let mut reply = Vec::with_capacity(deliveries.len());
    for [how, id, delivery, token, delay, error, ttl, result] in deliveries {
        let key = key_of(ttl, &mut results)?;
        let (delivery, delay) = (number(delivery)?, number(delay)?);
        let Some(mut record) = server.read(id)? else {
            let done = server.score(server.done, id)?;
            let is_own = done.is_some_and(|done| done % 1024 == mark(token, delivery));
            reply.push(Value::bulk(if is_own && how == "ack" { "done" } else { "lost" }));
            continue;
        };
        let answer = if record.token != token || record.number != delivery {
            "lost"
        } else if record.state != State::Active {
            record.state.as_str()
        } else if how == "ack" {
            server.leave(id, &record)?;
            server.forget(id)?;
            server.remember(id, &record)?;
            if let Some(key) = key {
                server.set(key, result, ttl)?;
            }
            server.child_ended(&record, Ended::Done)?;
            "done"
        } else if how == "release" {
            server.release(id, &mut record)?;
            "ready"
        } else {
            record.error = error.clone();
            record.failures += 1;
            fail(&mut server, id, &mut record, how == "reject", delay)?;
            record.state.as_str()
        };
        reply.push(Value::bulk(answer));
    }
    server.finish(Value::Array(reply))
}

fn fail(
    server: &mut Server<'_>,
    id: &[u8],
    record: &mut Record,
    for_good: bool,
    delay: u64,
) -> Result<()> {
    if for_good {
        return server.bury(id, record, "rejected");
    }
    if record.failures >= record.attempts {
        return server.bury(id, record, "failed");
    }
    server.leave(id, record)?;
    server.start(id, record, server.now.saturating_add(delay))
}

pub(super) fn extend(
    redis: &mut dyn ScriptContext,
    keys: &[Bytes],
    args: &[Bytes],
) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let Some(([lease, how], deliveries)) = args[ARGS..].split_first_chunk() else {
        return Err(wrong_count());
    };
    let (deliveries, []) = deliveries.as_chunks::<5>() else { return Err(wrong_count()) };
    let until = server.now.saturating_add(number(lease)?);
    let mut progress_keys = keys[KEYS..].iter();
    let mut reply = Vec::with_capacity(deliveries.len());
    for [id, delivery, token, ttl, progress] in deliveries {
        let key = key_of(ttl, &mut progress_keys)?;
        let delivery = number(delivery)?;
        let is_held = server.read(id)?.is_some_and(|record| {
            record.state == State::Active && record.token == token && record.number == delivery
        });
        if is_held {
            let ends = match how == "at least" {
                true => server.score(server.active, id)?.unwrap_or(0).max(until),
                false => until,
            };
            server.remove(server.active, id)?;
            server.add(server.active, ends, id)?;
            if let Some(key) = key {
                server.set(key, progress, ttl)?;
            }
        }
        reply.push(Value::Integer(is_held.into()));
    }
    server.finish(Value::Array(reply))
}

pub(super) fn end_pull(
    redis: &mut dyn ScriptContext,
    keys: &[Bytes],
    args: &[Bytes],
) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let ([pull], [token]) = (&keys[KEYS..], &args[ARGS..]) else { return Err(wrong_count()) };
    let mut given_back = 0;
    for id in words(&server.get(pull)?.unwrap_or_default()) {
        if let Some(mut record) = server.read(id)?
            && record.state == State::Active
            && record.token == token
        {
            server.give_back(id, &mut record)?;
            given_back += 1;
        }
    }
    server.run::<Value>(Command::new("DEL").arg(pull))?;
    server.set(pull, b"-", 60_000)?;
    server.finish(Value::Integer(given_back))
}
