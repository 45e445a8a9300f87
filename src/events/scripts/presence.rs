use bytes::Bytes;

use super::server::{micros, not_a_number};
use crate::command::{Command, ScriptContext};
use crate::{FromValue, Result, Value};

/// How long the members are kept beyond the last heartbeat, in milliseconds.
const BEYOND: u64 = 3_600_000;

/// The longest time that a member is present without a heartbeat, in milliseconds.
const LONGEST: u64 = 3_600_000;

/// The implementation of `presence.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [present]: &[Bytes; 1],
    [what, member, time, most, caller_knows]: &[Bytes; 5],
) -> Result<Value> {
    let now = micros(redis)? / 1000;
    let time = number(time)?;
    let tell = |redis: &mut dyn ScriptContext, what: &str, member: &[u8]| {
        let message = [what.as_bytes(), b" ", member].concat();
        drop(redis.call(Command::new("PUBLISH").arg(present).arg(message)));
    };
    let keep = || Command::new("PEXPIRE").arg(present).arg(time.saturating_add(BEYOND));
    let add = || Command::new("ZADD").arg(present);
    let range = || Command::new("ZRANGEBYSCORE").arg(present);
    let gone = range().arg("-inf").arg(now).arg("LIMIT").arg(0).arg(64);
    for member in Vec::<Bytes>::from_value(redis.call(gone)?)? {
        redis.call(Command::new("ZREM").arg(present).arg(&member))?;
        tell(redis, "left", &member);
    }
    let from = format!("({}", now.saturating_add(LONGEST));
    let beyond = range().arg(from).arg("+inf").arg("LIMIT").arg(0).arg(64);
    for member in Vec::<Bytes>::from_value(redis.call(beyond)?)? {
        redis.call(keep())?;
        redis.call(add().arg("XX").arg(now.saturating_add(time)).arg(&member))?;
    }
    let known = match &what[..] {
        b"list" => None,
        _ => until(redis, present, member)?,
    };
    let (mut changed, mut members) = (0, Value::Array(Vec::new()));
    if what == "list" {
        let here = range().arg(format!("({now}")).arg("+inf").arg("LIMIT").arg(0).arg(most);
        members = redis.call(here)?;
    } else if what == "leave" {
        if let Some(known) = known
            && (caller_knows.is_empty() || known <= number(caller_knows)?)
        {
            changed = run_for(redis, Command::new("ZREM").arg(present).arg(member))?;
            tell(redis, "left", member);
        }
    } else if known.is_some() || count(redis, present, now)? < number(most)? {
        let mut till = now.saturating_add(time);
        if let Some(known) = known {
            if (till..till.saturating_add(1000)).contains(&known) {
                till = known.saturating_add(1);
            }
            redis.call(keep())?;
        }
        changed = run_for(redis, add().arg(till).arg(member))?;
        redis.call(keep())?;
        members = Value::Array(vec![Value::bulk(till.to_string())]);
        if changed == 1 {
            tell(redis, "joined", member);
        }
    } else {
        changed = -1;
    }
    Ok(Value::Array(vec![Value::bulk(present.clone()), Value::Integer(changed), members]))
}

/// The millisecond until which a member is present.
fn until(redis: &mut dyn ScriptContext, present: &Bytes, member: &Bytes) -> Result<Option<u64>> {
    let score = redis.call(Command::new("ZSCORE").arg(present).arg(member))?;
    Ok(Option::<f64>::from_value(score)?.map(|score| score as u64))
}

fn count(redis: &mut dyn ScriptContext, present: &Bytes, now: u64) -> Result<u64> {
    let from = format!("({now}");
    u64::from_value(redis.call(Command::new("ZCOUNT").arg(present).arg(from).arg("+inf"))?)
}

fn run_for(redis: &mut dyn ScriptContext, command: Command) -> Result<i64> {
    i64::from_value(redis.call(command)?)
}

fn number(text: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(not_a_number)
}
