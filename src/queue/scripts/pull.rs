//! The native implementation of `pull.lua`.

use bytes::Bytes;

use super::native::{ARGS, KEYS, Server, bulk};
use super::record::{NEVER, Record, State, number};
use crate::command::{Command, ScriptContext, script_file::wrong_count};
use crate::{FromValue, Pairs, Result, Value};

pub(super) fn run(redis: &mut dyn ScriptContext, keys: &[Bytes], args: &[Bytes]) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let (pull, source) = match &keys[KEYS..] {
        [pull] => (pull, None),
        [pull, source] => (pull, Some(source)),
        _ => return Err(wrong_count()),
    };
    let [
        token,
        most,
        lease,
        again,
        interval,
        period,
        most_bytes,
        kind,
        attempts,
        poison,
        ttl,
        longest,
    ] = &args[ARGS..]
    else {
        return Err(wrong_count());
    };
    let clock = Value::bulk(server.now.to_string());
    let nothing_more = vec![clock.clone(), Value::bulk("-1"), Value::bulk("0")];
    if let Some(before) = server.get(pull)? {
        // There may be more.
        let mut reply = vec![clock, Value::bulk("0"), Value::bulk("0")];
        for id in words(&before) {
            if let Some(record) = server.read(id)?
                && record.state == State::Active
                && record.token == token
            {
                let payload = server.payload(id)?.unwrap_or_default();
                reply.push(delivery(id, &record, payload));
            }
        }
        return Ok(Value::Array(reply));
    }
    let is_list = kind == "list";
    if let Some(source) = source {
        // A key of another type is an error before anything is changed.
        let length = if is_list { "LLEN" } else { "ZCARD" };
        server.run::<u64>(Command::new(length).arg(source))?;
        server.begin()?;
    }
    let tasks = server.field_number(b"#tasks")?;
    let (Some(tasks), None) = (tasks, server.field(b"#paused")?) else {
        return Ok(Value::Array(nothing_more));
    };
    let (interval, period) = (number(interval)? as i64, number(period)? as i64);
    let lease = number(lease)?;
    let repairs = repair(&mut server, tasks, lease)?;
    promote(&mut server)?;
    reclaim(&mut server)?;

    let micros = server.micros as i64;
    let mut most = number(most)? as i64;
    let (mut base, mut limited) = (micros, false);
    if interval > 0 {
        base = base.max(server.field_number(b"#rate")?.unwrap_or(0));
        if base > micros + period {
            // The server's clock was ahead, or the rate was a different one.
            base = micros + period;
            server.set_field(b"#rate", base)?;
        }
        let allowed = (micros + period - base).div_euclid(interval);
        limited = allowed < most;
        most = most.min(allowed);
    }
    let most_bytes = number(most_bytes)? as usize;
    let (given, bytes, deliveries) = Default::default();
    let mut lent = Lent { token, lease, most, most_bytes, given, bytes, deliveries };
    lent.ready(&mut server)?;
    if let Some(source) = source {
        let new = Record::new(number(attempts)?, number(poison)?, number(ttl)?);
        lent.foreign(&mut server, source, is_list, &new, number(longest)? as usize)?;
    }
    let count = lent.given.len() as i64;
    if count > 0 {
        server.set(pull, &lent.given.join(&b' '), lease.max(60_000))?;
        if interval > 0 {
            server.set_field(b"#rate", base + count * interval)?;
        }
    } else if again == "again" {
        server.run::<Value>(Command::new("DEL").arg(pull))?;
        server.set(pull, b"-", 60_000)?;
    }

    let mut next = None;
    let mut sooner = |millis: i64| {
        let millis = millis.max(0);
        next = Some(next.map_or(millis, |next: i64| next.min(millis)));
    };
    if repairs {
        sooner(0);
    }
    for index in [server.delayed, server.active] {
        if let Some(first) = server.first_score(index)?.filter(|first| *first < NEVER) {
            sooner(first as i64 - server.now as i64);
        }
    }
    let mut left = server.count(server.ready)?;
    if left == 0 {
        server.wakes = false;
    }
    let mut is_empty = "0";
    if let Some(source) = source {
        if is_list {
            let length: u64 = server.run(Command::new("LLEN").arg(source))?;
            left += length;
            is_empty = if length == 0 { "1" } else { "0" };
        } else if let Some(first) = server.first(source)? {
            let score: Option<f64> = server.run(Command::new("ZSCORE").arg(source).arg(first))?;
            let wait = score.unwrap_or(0.0) * 1000.0 - server.now as f64;
            match wait <= 0.0 {
                true => left += 1,
                false => sooner(wait.min(4_102_444_800_000.0).ceil() as i64),
            }
        }
    }
    if left > 0 {
        sooner(match limited && count >= most {
            true => (base + (count + 1) * interval - period - micros + 999).div_euclid(1000),
            false => 0,
        });
    }
    let next = Value::bulk(next.unwrap_or(-1).to_string());
    let mut reply = vec![clock, next, Value::bulk(is_empty)];
    reply.append(&mut lent.deliveries);
    server.finish(Value::Array(reply))
}

/// The tasks that a pull leases.
struct Lent<'a> {
    token: &'a Bytes,
    lease: u64,
    most: i64,
    most_bytes: usize,
    given: Vec<Bytes>,
    bytes: usize,
    deliveries: Vec<Value>,
}

impl Lent<'_> {
    fn has_room(&self) -> bool {
        (self.given.len() as i64) < self.most && self.bytes < self.most_bytes
    }

    fn lease_out(
        &mut self,
        server: &mut Server<'_>,
        id: Bytes,
        mut record: Record,
        payload: Bytes,
    ) -> Result<()> {
        record.state = State::Active;
        record.number += 1;
        record.token = self.token.clone();
        server.write(&id, &record)?;
        server.add(server.active, server.now.saturating_add(self.lease), &id)?;
        self.bytes += payload.len();
        self.deliveries.push(delivery(&id, &record, payload));
        self.given.push(id);
        Ok(())
    }

    fn ready(&mut self, server: &mut Server<'_>) -> Result<()> {
        let mut looked = 0;
        while self.has_room() && looked < self.most + 256 {
            let Some(id) = server.first(server.ready)? else { break };
            looked += 1;
            let record = server.read(&id)?.filter(|record| record.state == State::Ready);
            let payload = server.payload(&id)?;
            let Some(mut record) = record else {
                server.remove(server.ready, &id)?;
                continue;
            };
            if record.expires != 0 && record.expires <= server.now {
                server.bury(&id, &mut record, "expired")?;
                continue;
            }
            let Some(payload) = payload else {
                server.bury(&id, &mut record, "payload-lost")?;
                continue;
            };
            if !self.given.is_empty() && self.bytes + payload.len() > self.most_bytes {
                break;
            }
            server.remove(server.ready, &id)?;
            self.lease_out(server, id, record, payload)?;
        }
        Ok(())
    }

    /// Leases elements that other programs have added to a list or a sorted set.
    fn foreign(
        &mut self,
        server: &mut Server<'_>,
        source: &Bytes,
        is_list: bool,
        new: &Record,
        longest: usize,
    ) -> Result<()> {
        let mut too_large = 0;
        let seconds = format!("{}.{:03}", server.now / 1000, server.now % 1000);
        while self.has_room() && too_large < 16 {
            let payload: Option<Bytes> = if is_list {
                server.run(Command::new("LINDEX").arg(source).arg(-1))?
            } else {
                let due = Command::new("ZRANGEBYSCORE").arg(source).arg("-inf").arg(&seconds);
                let due: Vec<Bytes> = server.run(due.arg("LIMIT").arg(0).arg(1))?;
                due.into_iter().next()
            };
            let Some(payload) = payload else { break };
            let is_too_large = payload.len() > longest;
            if !is_too_large
                && !self.given.is_empty()
                && self.bytes + payload.len() > self.most_bytes
            {
                break;
            }
            match is_list {
                true => drop(server.run::<Value>(Command::new("RPOP").arg(source))?),
                false => server.remove(source, &payload)?,
            }
            let number = server.add_to_field(b"#seq", 1)?.to_string();
            let id = Bytes::from([&**self.token, b"-", number.as_bytes()].concat());
            let expires = if new.ttl == 0 { 0 } else { server.now.saturating_add(new.ttl) };
            let mut record = Record { due: server.now, expires, ..new.clone() };
            server.insert(&id, &payload, &mut record)?;
            if is_too_large {
                server.bury(&id, &mut record, "too-large")?;
                too_large += 1;
            } else {
                self.lease_out(server, id, record, payload)?;
            }
        }
        Ok(())
    }
}

fn delivery(id: &[u8], record: &Record, payload: Bytes) -> Value {
    let number = |number: u64| Value::bulk(number.to_string());
    Value::Array(vec![
        Value::bulk(id.to_vec()),
        number(record.number),
        number(record.failures),
        number(record.abandoned),
        number(record.attempts),
        number(record.poison),
        bulk(&record.group),
        Value::Bulk(payload),
    ])
}

/// The words of a text.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// Rebuilds evicted indexes, in steps. Returns whether there is more to do.
fn repair(server: &mut Server<'_>, tasks: i64, lease: u64) -> Result<bool> {
    let cursor = server.field(b"#repair")?;
    if cursor.is_none() && u64::try_from(tasks) == Ok(indexed(server)?) {
        return Ok(false);
    }
    server.remove_field(b"#repair")?;
    let cursor = cursor.unwrap_or_else(|| Bytes::from_static(b"0"));
    let command = Command::new("HSCAN").arg(server.tasks).arg(cursor).arg("COUNT").arg(500);
    let (cursor, page): (Bytes, Value) = server.run(command)?;
    let mut added = 0;
    for (id, text) in <Pairs<Bytes, Bytes>>::from_value(page)?.0 {
        let Some(record) = Record::parse(&text).filter(|_| !id.starts_with(b"#")) else { continue };
        let (index, score) = match record.state {
            State::Ready => {
                server.wakes |= server.was_empty;
                (server.ready, record.rank())
            }
            State::Active => (server.active, server.now.saturating_add(lease)),
            State::Grouped => {
                added += server.add_if_absent(server.grouped, 0, &record.grouped_member(&id))?;
                // Earlier tasks of its group may have ended while it was missing from the index.
                server.fill(record.group().unwrap_or_default(), 1)?;
                continue;
            }
            State::Dead => (server.dead, server.now),
            State::Parent => (server.delayed, NEVER),
            State::Delayed => (server.delayed, record.due),
        };
        added += server.add_if_absent(index, score, &id)?;
    }
    added = server.add_to_field(b"#repaired", added)?;
    if cursor != "0" {
        server.set_field(b"#repair", cursor)?;
        return Ok(true);
    }
    server.remove_field(b"#repaired")?;
    if added == 0 {
        // All indexes are complete: the count was wrong.
        let count = indexed(server)?;
        server.set_field(b"#tasks", count)?;
    }
    Ok(added > 0)
}

fn indexed(server: &mut Server<'_>) -> Result<u64> {
    let mut count = 0;
    for index in [server.ready, server.delayed, server.active, server.dead, server.grouped] {
        count += server.count(index)?;
    }
    Ok(count)
}

/// Moves tasks that have become due to the ready ones, in steps.
fn promote(server: &mut Server<'_>) -> Result<()> {
    for id in server.due(server.delayed)? {
        server.remove(server.delayed, &id)?;
        if let Some(mut record) = server.read(&id)?
            && record.state == State::Delayed
        {
            server.offer(&id, &mut record)?;
        }
    }
    Ok(())
}

/// Delivers tasks again whose leases ended, or makes them dead letters.
fn reclaim(server: &mut Server<'_>) -> Result<()> {
    for id in server.due(server.active)? {
        server.remove(server.active, &id)?;
        let Some(mut record) = server.read(&id)?.filter(|record| record.state == State::Active)
        else {
            continue;
        };
        record.abandoned += 1;
        record.token = Bytes::from_static(b"-");
        match record.abandoned >= record.poison {
            true => server.bury(&id, &mut record, "abandoned")?,
            false => server.give_back(&id, &mut record)?,
        }
    }
    Ok(())
}
