//! The scripts of schedules, and their native implementations for an engine without Lua.

use bytes::Bytes;

use crate::command::{Command, Script, ScriptContext, native, script};
use crate::{Error, FromValue, Pairs, Result, Value};

/// All of them.
pub(crate) fn all() -> [&'static Script; 3] {
    [&CLAIM, &RENEW, &FINISH]
}

script! {
    /// Claims a slot for one process, or skips it. The same call may be sent any number of times.
    ///
    /// `KEYS`: the state of the schedule, its records. `ARGV`: a token; the last slot that the caller knows; the slot; what
    /// happens to it while as many runs as are allowed are under way: `pass` it is skipped, `wait` it is not decided; how many
    /// runs are allowed; the lease of the run in milliseconds; the last slot that the caller has ever known, or 0; `now`, or the
    /// time at which a new state begins; how many records are kept; how many milliseconds late the slot may be started, or an
    /// empty text; then, if slots before it were missed, the first and the last of them, and how many they are.
    ///
    /// Returns what happened, the last slot that is decided, and the server's clock: `begun` if there was no state, `moved`
    /// if the last slot is another one, `early` if the slot is not due yet, `busy`, `skipped` or `started`.
    pub(crate) static CLAIM: Script = {
        file: "claim.lua",
        keys: 2,
        args: ..,
        flags: [key_locking],
        native: claim,
    };

    /// Renews the lease of a run. `KEYS`: the state. `ARGV`: the token, the slot, the new lease in milliseconds. Returns 1 if the
    /// run was under way.
    pub(crate) static RENEW: Script = {
        file: "renew.lua",
        keys: 1,
        args: 3,
        flags: [key_locking],
        native: renew,
    };

    /// Ends a run. `KEYS`: the state, the records. `ARGV`: the token, the slot, `done` or `failed`, how many records are kept.
    /// Returns 1 if the run was under way until then.
    pub(crate) static FINISH: Script = {
        file: "finish.lua",
        keys: 2,
        args: 4,
        flags: [key_locking],
        native: finish,
    };
}

const LAST: &[u8] = b"last";
const BEGUN: &[u8] = b"begun";
const RUN: &[u8] = b"run:";

fn claim(
    redis: &mut dyn ScriptContext,
    [state, records]: &[Bytes; 2],
    args: &[Bytes],
) -> Result<Value> {
    let [token, known, slot, busy, most, lease, floor, from_when, kept, grace, missed @ ..] = args
    else {
        return Err(Error::server("ERR wrong number of arguments for this script"));
    };
    let (now, floor) = (now(redis)?, number(floor)?);
    let reply = |what: &str, last: u64| {
        let texts = [what.to_owned(), last.to_string(), now.to_string()];
        Ok(Value::Array(texts.map(Value::bulk).into()))
    };
    let fields = redis.call(Command::new("HGETALL").arg(state))?;
    let fields = <Pairs<Bytes, Bytes>>::from_value(fields)?.0;
    let (mut last, mut begun, mut runs, mut is_mine) = (None, 0, 0, false);
    for (field, value) in &fields {
        if field == LAST {
            last = Some(number(value)?);
        } else if field == BEGUN {
            begun = number(value)?;
        } else if let Some(of) = field.strip_prefix(RUN) {
            let until = value.split(|byte| *byte == b' ').next().unwrap_or_default();
            if of == slot && token_of(value) == Some(token) {
                is_mine = true;
            } else if number(until)? <= now {
                redis.call(Command::new("HDEL").arg(state).arg(field))?;
                record(redis, records, kept, [b"abandoned", of, of, b"1"])?;
            } else {
                runs += 1;
            }
        }
    }
    let until = now.saturating_add(number(lease)?);
    let set = |redis: &mut dyn ScriptContext, field: &[u8], value: u64| {
        redis.call(Command::new("HSET").arg(state).arg(field).arg(value)).map(drop)
    };
    let is_new = last.is_none();
    let mut last = match last {
        Some(last) => last,
        None => {
            let from = if from_when == "now" { now } else { number(from_when)? };
            begun = from.max(floor);
            set(redis, LAST, begun)?;
            set(redis, BEGUN, begun)?;
            let text = begun.to_string();
            record(redis, records, kept, [b"begun", text.as_bytes(), text.as_bytes(), b"0"])?;
            begun
        }
    };
    let lost = |redis: &mut dyn ScriptContext, from: u64, to: u64| {
        let (from, to) = (from.to_string(), to.to_string());
        record(redis, records, kept, [b"state-lost", from.as_bytes(), to.as_bytes(), b""])
    };
    if last < floor {
        lost(redis, last, floor)?;
        last = floor;
        set(redis, LAST, last)?;
    }
    if floor > 0 && floor < begun {
        lost(redis, floor + 1, begun)?;
        set(redis, BEGUN, floor)?;
    }
    if is_new || Some(last) != number(known).ok() {
        if is_mine && last == number(slot)? {
            renew_run(redis, state, slot, token, until)?;
            return reply("started", last);
        }
        return reply(if is_new { "begun" } else { "moved" }, last);
    }
    let planned = number(slot)?;
    if planned > now {
        return reply("early", last);
    }
    let is_busy = runs >= number(most)?;
    if is_busy && busy == "wait" {
        return reply("busy", last);
    }
    let is_late = !grace.is_empty() && now - planned > number(grace)?;
    match (missed, is_late) {
        ([from, to, count], false) => record(redis, records, kept, [b"missed", from, to, count])?,
        ([from, _, count], true) => {
            let count = match &count[..] {
                b"" => String::new(),
                count => number(count)?.saturating_add(1).to_string(),
            };
            record(redis, records, kept, [b"missed", from, slot, count.as_bytes()])?;
        }
        (_, true) => record(redis, records, kept, [b"missed", slot, slot, b"1"])?,
        (_, false) => {}
    }
    set(redis, LAST, planned)?;
    if is_late {
        return reply("skipped", planned);
    }
    if is_busy {
        record(redis, records, kept, [b"overlap", slot, slot, b"1"])?;
        return reply("skipped", planned);
    }
    write_run(redis, state, slot, token, until)?;
    reply("started", planned)
}

fn renew(
    redis: &mut dyn ScriptContext,
    [state]: &[Bytes; 1],
    [token, slot, lease]: &[Bytes; 3],
) -> Result<Value> {
    if !is_under_way(redis, state, slot, token)? {
        return Ok(Value::Integer(0));
    }
    let until = now(redis)?.saturating_add(number(lease)?);
    renew_run(redis, state, slot, token, until)?;
    Ok(Value::Integer(1))
}

fn finish(
    redis: &mut dyn ScriptContext,
    [state, records]: &[Bytes; 2],
    [token, slot, how, kept]: &[Bytes; 4],
) -> Result<Value> {
    if !is_under_way(redis, state, slot, token)? {
        return Ok(Value::Integer(0));
    }
    redis.call(Command::new("HDEL").arg(state).arg([RUN, slot].concat()))?;
    if how == "failed" {
        record(redis, records, kept, [b"failed", slot, slot, b"1"])?;
    }
    Ok(Value::Integer(1))
}

fn write_run(
    redis: &mut dyn ScriptContext,
    state: &[u8],
    slot: &[u8],
    token: &[u8],
    until: u64,
) -> Result<()> {
    let run = [until.to_string().as_bytes(), b" ", token].concat();
    redis.call(Command::new("HSET").arg(state).arg([RUN, slot].concat()).arg(run)).map(drop)
}

/// Writes a run that is there.
fn renew_run(
    redis: &mut dyn ScriptContext,
    state: &[u8],
    slot: &[u8],
    token: &[u8],
    until: u64,
) -> Result<()> {
    // A Redis that is full takes HSET after a write that frees memory only.
    redis.call(Command::new("HDEL").arg(state).arg([RUN, slot].concat()))?;
    write_run(redis, state, slot, token, until)
}

fn is_under_way(
    redis: &mut dyn ScriptContext,
    state: &[u8],
    slot: &[u8],
    token: &[u8],
) -> Result<bool> {
    let run = redis.call(Command::new("HGET").arg(state).arg([RUN, slot].concat()))?;
    Ok(run.as_bytes().and_then(|run| token_of(run)) == Some(token))
}

/// The token of a run, which stands behind the end of its lease.
fn token_of(run: &[u8]) -> Option<&[u8]> {
    let space = run.iter().position(|byte| *byte == b' ')?;
    run.get(space + 1..)
}

fn record(
    redis: &mut dyn ScriptContext,
    records: &[u8],
    kept: &[u8],
    [reason, from, to, count]: [&[u8]; 4],
) -> Result<()> {
    let command = Command::new("XADD").arg(records).arg("MAXLEN").arg(kept).arg("*");
    let pairs: [(&str, &[u8]); 4] =
        [("reason", reason), ("from", from), ("to", to), ("count", count)];
    redis.call(command.pairs_from(pairs)).map(drop)
}

fn now(redis: &mut dyn ScriptContext) -> Result<u64> {
    Ok(native::clock(redis)?.unsigned_abs() / 1000)
}

fn number(text: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::server("ERR value is not an integer or out of range"))
}
