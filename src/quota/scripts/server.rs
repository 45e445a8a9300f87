//! The engine's commands, as the native implementations call them.

use bytes::Bytes;

use crate::command::{Command, ScriptContext, ToArg, native};
use crate::{Error, FromValue, Result, Value};

/// The largest integer up to which the numbers of Lua are exact.
pub(super) const LARGEST: i64 = (1 << 53) - 1;

/// A quota's reservations, and the commands of a script.
pub(super) struct Server<'a> {
    redis: &'a mut dyn ScriptContext,
    reservations: &'a Bytes,
    /// The clock, in milliseconds.
    pub(super) now: i64,
}

/// For how long the end of a call is remembered in milliseconds, and how many ends are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) millis: i64,
    pub(super) most: i64,
}

impl<'a> Server<'a> {
    pub(super) fn new(redis: &'a mut dyn ScriptContext, reservations: &'a Bytes) -> Result<Self> {
        let now = native::clock(redis)? / 1000;
        Ok(Self { redis, reservations, now })
    }

    fn run<R: FromValue>(&mut self, command: Command) -> Result<R> {
        native::run(self.redis, command)
    }

    /// A command on the reservations.
    fn command(&self, name: &'static str) -> Command {
        Command::new(name).arg(self.reservations)
    }

    /// The value of the counter.
    pub(super) fn used(&mut self, counter: &Bytes) -> Result<i64> {
        let text: Option<Bytes> = self.run(Command::new("GET").arg(counter))?;
        let text = text.unwrap_or_else(|| Bytes::from_static(b"0"));
        let digits = text.strip_prefix(b"-").unwrap_or(&text);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Error::server("ERR the counter of the quota is not an integer"));
        }
        if digits.len() < text.len() {
            return Ok(0);
        }
        // More digits than fit are more than the largest count.
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        Ok(number.unwrap_or(LARGEST).min(LARGEST))
    }

    /// The reservations that hold.
    pub(super) fn live(&mut self) -> Result<Vec<Bytes>> {
        let after = format!("({}", self.now);
        self.run(self.command("ZRANGEBYSCORE").arg(after).arg("+inf"))
    }

    /// Whether it is remembered how a call ended.
    pub(super) fn knows(&mut self, how: &str, id: &[u8]) -> Result<bool> {
        Ok(self.score(&[how.as_bytes(), id].concat())?.is_some())
    }

    pub(super) fn score(&mut self, member: &[u8]) -> Result<Option<i64>> {
        let score: Option<f64> = self.run(self.command("ZSCORE").arg(member))?;
        Ok(score.map(|score| score as i64))
    }

    pub(super) fn add(&mut self, score: i64, member: &[u8]) -> Result<()> {
        self.run::<Value>(self.command("ZADD").arg(score).arg(member)).map(drop)
    }

    /// Removes a member, and returns whether it was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> Result<bool> {
        self.run(self.command("ZREM").arg(member))
    }

    /// Adds a reservation or an end. Removes expired ones, and the oldest of too many ends.
    pub(super) fn keep(&mut self, score: i64, member: &[u8], memory: Memory) -> Result<()> {
        self.add(score, member)?;
        self.purge()?;
        self.trim_ends(memory)?;
        self.live_for(score.abs() - self.now)
    }

    /// Remembers how a call ended.
    pub(super) fn remember(&mut self, how: &str, id: &[u8], memory: Memory) -> Result<()> {
        let score = -(self.now + memory.millis);
        self.keep(score, &[how.as_bytes(), id].concat(), memory)
    }

    /// Removes expired members: a reservation has its expiry as score, the end of a call has it below zero.
    pub(super) fn purge(&mut self) -> Result<()> {
        let command = self.command("ZREMRANGEBYSCORE").arg(-self.now).arg(self.now);
        self.run::<Value>(command).map(drop)
    }

    fn ends(&mut self) -> Result<i64> {
        self.run(self.command("ZCOUNT").arg("-inf").arg("(0"))
    }

    /// Removes the oldest ends above the most that are remembered, and those of a clock that was ahead.
    fn trim_ends(&mut self, memory: Memory) -> Result<()> {
        if self.ends()? > memory.most {
            let latest = format!("({}", -(self.now + memory.millis));
            self.run::<Value>(self.command("ZREMRANGEBYSCORE").arg("-inf").arg(latest))?;
            let ends = self.ends()?;
            if ends > memory.most {
                let command = self.command("ZREMRANGEBYRANK").arg(memory.most).arg(ends - 1);
                self.run::<Value>(command)?;
            }
        }
        Ok(())
    }

    /// Whether the end of a call that was first sent `ago` milliseconds ago may have been pushed out by others.
    pub(super) fn may_have_forgotten(&mut self, ago: i64, memory: Memory) -> Result<bool> {
        if ago == 0 || self.ends()? < memory.most {
            return Ok(false);
        }
        let place = memory.most - 1;
        let oldest: Vec<Bytes> = self.run(self.command("ZRANGE").arg(place).arg(place))?;
        let Some(oldest) = oldest.first() else { return Ok(false) };
        let score = self.score(oldest)?.unwrap_or(0);
        Ok(-score - memory.millis >= self.now - ago)
    }

    /// Lets the reservations live for this many milliseconds at least.
    pub(super) fn live_for(&mut self, millis: i64) -> Result<()> {
        if self.left(self.reservations)? < millis {
            self.expire(self.reservations, millis)?;
        }
        Ok(())
    }

    /// In how many milliseconds a key expires; below zero if it does not.
    pub(super) fn left(&mut self, key: &Bytes) -> Result<i64> {
        self.run(Command::new("PTTL").arg(key))
    }

    fn expire(&mut self, key: &Bytes, millis: impl ToArg) -> Result<()> {
        self.run::<Value>(Command::new("PEXPIRE").arg(key).arg(millis)).map(drop)
    }

    /// Sets the counter. `period` and `from` are those of the script's arguments.
    pub(super) fn count(
        &mut self,
        counter: &Bytes,
        count: i64,
        [period, from]: [&Bytes; 2],
    ) -> Result<()> {
        let is_new = self.left(counter)? < 0;
        self.run::<Value>(Command::new("SET").arg(counter).arg(count).arg("KEEPTTL"))?;
        if period != "0" && (is_new || from == "last") {
            self.expire(counter, period)?;
        }
        Ok(())
    }
}
