use bytes::Bytes;

use super::server::{micros, not_a_number};
use crate::command::{Command, ScriptContext};
use crate::{FromValue, Result, Value};

/// The longest time that a member is present without a heartbeat, and how long the members are kept beyond the last one, in
/// milliseconds.
const LONGEST: u64 = 3_600_000;
/// The most guards of a member that are distinguished.
const GUARDS: usize = 64;

/// The implementation of `presence.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [present, guards, gone]: &[Bytes; 3],
    [what, member, time, most, token]: &[Bytes; 5],
) -> Result<Value> {
    let now = micros(redis)? / 1000;
    let time = number(time)?;
    let mut room = Room { redis, present, guards, now, time };
    room.tidy()?;
    let here = format!("({now}");
    if what == "list" {
        let members = room.range(&here, "+inf", most)?;
        return Ok(answer(present, 0, members));
    }
    let mut others = room.others(member, token)?;
    let until = others.iter().map(|(_, till)| *till).max().unwrap_or(0);
    let mut changed = 0;
    if what == "leave" {
        room.keep()?;
        if others.is_empty() {
            changed = room.remove(member)?;
        } else {
            room.call(Command::new("ZADD").arg(present).arg("XX").arg(until).arg(member))?;
            room.hold(member, &others)?;
        }
        if token != "-" {
            room.call(Command::new("SET").arg(gone).arg("").arg("PX").arg(time))?;
        }
    } else if room.call(Command::new("EXISTS").arg(gone))? == Value::Integer(0) {
        let known = room.call(Command::new("ZSCORE").arg(present).arg(member))?;
        let count = Command::new("ZCOUNT").arg(present).arg(here).arg("+inf");
        if known != Value::Nil || u64::from_value(room.call(count)?)? < number(most)? {
            if known != Value::Nil {
                room.keep()?;
            }
            let till = now.saturating_add(time);
            let add = Command::new("ZADD").arg(present).arg(till.max(until)).arg(member);
            changed = i64::from_value(room.call(add)?)?;
            others.push((token.clone(), till));
            let first = others.len().saturating_sub(GUARDS);
            room.hold(member, others.get(first..).unwrap_or_default())?;
            room.keep()?;
            if changed == 1 {
                room.publish("joined", member);
            }
        } else {
            changed = -1;
        }
    }
    Ok(answer(present, changed, Value::Array(Vec::new())))
}

fn answer(channel: &Bytes, changed: i64, members: Value) -> Value {
    Value::Array(vec![Value::bulk(channel.clone()), Value::Integer(changed), members])
}

struct Room<'a> {
    redis: &'a mut dyn ScriptContext,
    present: &'a Bytes,
    guards: &'a Bytes,
    /// In milliseconds. So is `time`.
    now: u64,
    time: u64,
}

impl Room<'_> {
    fn call(&mut self, command: Command) -> Result<Value> {
        self.redis.call(command)
    }

    fn publish(&mut self, what: &str, member: &[u8]) {
        let message = [what.as_bytes(), b" ", member].concat();
        drop(self.call(Command::new("PUBLISH").arg(self.present).arg(message)));
    }

    fn keep(&mut self) -> Result<()> {
        for key in [self.present, self.guards] {
            self.call(Command::new("PEXPIRE").arg(key).arg(self.time.saturating_add(LONGEST)))?;
        }
        Ok(())
    }

    fn range(&mut self, from: &str, to: &str, most: &[u8]) -> Result<Value> {
        let range = Command::new("ZRANGEBYSCORE").arg(self.present).arg(from).arg(to);
        self.call(range.arg("LIMIT").arg(0).arg(most))
    }

    /// Removes members whose time is over, and corrects times from before the clock was set back.
    fn tidy(&mut self) -> Result<()> {
        let gone = self.range("-inf", &self.now.to_string(), b"64")?;
        for member in Vec::<Bytes>::from_value(gone)? {
            self.remove(&member)?;
        }
        let beyond = format!("({}", self.now.saturating_add(LONGEST));
        for member in Vec::<Bytes>::from_value(self.range(&beyond, "+inf", b"64")?)? {
            self.keep()?;
            let till = self.now.saturating_add(self.time);
            self.call(Command::new("ZADD").arg(self.present).arg("XX").arg(till).arg(member))?;
        }
        Ok(())
    }

    fn remove(&mut self, member: &Bytes) -> Result<i64> {
        self.call(Command::new("HDEL").arg(self.guards).arg(member))?;
        let removed = self.call(Command::new("ZREM").arg(self.present).arg(member))?;
        let removed = i64::from_value(removed)?;
        if removed == 1 {
            self.publish("left", member);
        }
        Ok(removed)
    }

    /// The other current guards of a member, and the millisecond until which each is present.
    fn others(&mut self, member: &Bytes, token: &Bytes) -> Result<Vec<(Bytes, u64)>> {
        let held = self.call(Command::new("HGET").arg(self.guards).arg(member))?;
        let held = Option::<Bytes>::from_value(held)?.unwrap_or_default();
        let words: Vec<&[u8]> = held.split(|byte| *byte == b' ').collect();
        let mut others = Vec::new();
        for pair in words.chunks_exact(2) {
            // Ignore entries that another program has written.
            let Ok(mut till) = number(pair[1]) else { continue };
            if till > self.now.saturating_add(LONGEST) {
                till = self.now.saturating_add(self.time);
            }
            if till > self.now && pair[0] != &token[..] {
                others.push((Bytes::copy_from_slice(pair[0]), till));
            }
        }
        Ok(others)
    }

    fn hold(&mut self, member: &Bytes, guards: &[(Bytes, u64)]) -> Result<()> {
        let words = guards
            .iter()
            .map(|(token, till)| [&token[..], b" ", till.to_string().as_bytes()].concat());
        let text = words.collect::<Vec<_>>().join(&b' ');
        self.call(Command::new("HSET").arg(self.guards).arg(member).arg(text))?;
        Ok(())
    }
}

fn number(text: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(not_a_number)
}
