//! The view that a native implementation has of a queue: the keys, the settings, and the commands.

use bytes::Bytes;

use super::record::{Record, number};
use crate::command::{Command, ScriptContext, ToArg, native, script_file::wrong_count};
use crate::{FromValue, Result, Value};

/// The number of keys that each script gets first.
pub(super) const KEYS: usize = 8;
/// The number of arguments that each script gets first.
pub(super) const ARGS: usize = 5;

/// A queue in a native implementation.
pub(super) struct Server<'a> {
    redis: &'a mut dyn ScriptContext,
    pub(super) tasks: &'a Bytes,
    pub(super) payloads: &'a Bytes,
    pub(super) ready: &'a Bytes,
    pub(super) delayed: &'a Bytes,
    pub(super) active: &'a Bytes,
    pub(super) dead: &'a Bytes,
    pub(super) grouped: &'a Bytes,
    pub(super) done: &'a Bytes,
    pub(super) group_concurrency: i64,
    pub(super) dead_letters: u64,
    channel: &'a Bytes,
    pub(super) remembered_for: u64,
    pub(super) remembered: u64,
    /// Milliseconds since the epoch.
    pub(super) now: u64,
    /// Microseconds since the epoch.
    pub(super) micros: u64,
    pub(super) was_empty: bool,
    pub(super) wakes: bool,
}

impl<'a> Server<'a> {
    pub(super) fn new(
        redis: &'a mut dyn ScriptContext,
        keys: &'a [Bytes],
        args: &'a [Bytes],
    ) -> Result<Self> {
        let [tasks, payloads, ready, delayed, active, dead, grouped, done, ..] = keys else {
            return Err(wrong_count());
        };
        let [concurrency, dead_letters, channel, remembered_for, remembered, ..] = args else {
            return Err(wrong_count());
        };
        let micros = native::clock(redis)?.unsigned_abs();
        let mut server = Self {
            redis,
            tasks,
            payloads,
            ready,
            delayed,
            active,
            dead,
            grouped,
            done,
            group_concurrency: number(concurrency)? as i64,
            dead_letters: number(dead_letters)?,
            channel,
            remembered_for: number(remembered_for)?,
            remembered: number(remembered)?,
            now: micros / 1000,
            micros,
            was_empty: false,
            wakes: false,
        };
        server.was_empty = server.count(ready)? == 0;
        Ok(server)
    }

    pub(super) fn run<R: FromValue>(&mut self, command: Command) -> Result<R> {
        native::run(self.redis, command)
    }

    pub(super) fn field(&mut self, field: &[u8]) -> Result<Option<Bytes>> {
        self.run(Command::new("HGET").arg(self.tasks).arg(field))
    }

    pub(super) fn field_number(&mut self, field: &[u8]) -> Result<Option<i64>> {
        self.run(Command::new("HGET").arg(self.tasks).arg(field))
    }

    pub(super) fn set_field(&mut self, field: &[u8], value: impl ToArg) -> Result<i64> {
        self.run(Command::new("HSET").arg(self.tasks).arg(field).arg(value))
    }

    pub(super) fn remove_field(&mut self, field: &[u8]) -> Result<i64> {
        self.run(Command::new("HDEL").arg(self.tasks).arg(field))
    }

    pub(super) fn add_to_field(&mut self, field: &[u8], by: i64) -> Result<i64> {
        self.run(Command::new("HINCRBY").arg(self.tasks).arg(field).arg(by))
    }

    pub(super) fn payload(&mut self, id: &[u8]) -> Result<Option<Bytes>> {
        self.run(Command::new("HGET").arg(self.payloads).arg(id))
    }

    pub(super) fn get(&mut self, key: &Bytes) -> Result<Option<Bytes>> {
        self.run(Command::new("GET").arg(key))
    }

    /// Sets a string with a time to live of `ttl` milliseconds.
    pub(super) fn set(&mut self, key: &Bytes, value: &[u8], ttl: impl ToArg) -> Result<()> {
        self.run(Command::new("SET").arg(key).arg(value).arg("PX").arg(ttl))
    }

    pub(super) fn count(&mut self, index: &Bytes) -> Result<u64> {
        self.run(Command::new("ZCARD").arg(index))
    }

    pub(super) fn add(&mut self, index: &Bytes, score: u64, id: &[u8]) -> Result<()> {
        self.run::<Value>(Command::new("ZADD").arg(index).arg(score).arg(id)).map(drop)
    }

    /// Returns 1 if it was absent.
    pub(super) fn add_if_absent(&mut self, index: &Bytes, score: u64, id: &[u8]) -> Result<i64> {
        self.run(Command::new("ZADD").arg(index).arg("NX").arg(score).arg(id))
    }

    pub(super) fn remove(&mut self, index: &Bytes, id: &[u8]) -> Result<()> {
        self.run::<Value>(Command::new("ZREM").arg(index).arg(id)).map(drop)
    }

    pub(super) fn first(&mut self, index: &Bytes) -> Result<Option<Bytes>> {
        let first: Vec<Bytes> = self.run(Command::new("ZRANGE").arg(index).arg(0).arg(0))?;
        Ok(first.into_iter().next())
    }

    pub(super) fn score(&mut self, index: &Bytes, id: &[u8]) -> Result<Option<u64>> {
        let score: Option<f64> = self.run(Command::new("ZSCORE").arg(index).arg(id))?;
        Ok(score.map(|score| score as u64))
    }

    pub(super) fn first_score(&mut self, index: &Bytes) -> Result<Option<u64>> {
        match self.first(index)? {
            Some(first) => self.score(index, &first),
            None => Ok(None),
        }
    }

    /// The members whose score is at most the current time, at most 256.
    pub(super) fn due(&mut self, index: &Bytes) -> Result<Vec<Bytes>> {
        let command = Command::new("ZRANGEBYSCORE").arg(index).arg("-inf").arg(self.now);
        self.run(command.arg("LIMIT").arg(0).arg(256))
    }

    pub(super) fn read(&mut self, id: &[u8]) -> Result<Option<Record>> {
        Ok(self.field(id)?.and_then(|text| Record::parse(&text)))
    }

    pub(super) fn write(&mut self, id: &[u8], record: &Record) -> Result<()> {
        self.set_field(id, record.to_text()).map(drop)
    }

    pub(super) fn finish(mut self, reply: impl Into<Value>) -> Result<Value> {
        if self.wakes {
            self.run::<Value>(Command::new("PUBLISH").arg(self.channel).arg("ready"))?;
        }
        Ok(reply.into())
    }
}

/// A string of a reply.
pub(super) fn bulk(bytes: &Bytes) -> Value {
    Value::Bulk(bytes.clone())
}

/// The key of a result, a progress or a deduplication key. One without a time to live has none.
pub(super) fn key_of<'a>(
    ttl: &Bytes,
    keys: &mut impl Iterator<Item = &'a Bytes>,
) -> Result<Option<&'a Bytes>> {
    match ttl == "0" {
        true => Ok(None),
        false => keys.next().ok_or_else(wrong_count).map(Some),
    }
}
