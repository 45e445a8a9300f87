//! The engine's commands, as the native implementations call them.

use bytes::Bytes;

use crate::command::{Command, ScriptContext, ToArg, native};
use crate::{FromValue, Result, Value};

/// The commands of a script, with replies of Rust types.
pub(super) struct Server<'a>(pub(super) &'a mut dyn ScriptContext);

impl Server<'_> {
    pub(super) fn run<R: FromValue>(&mut self, command: Command) -> Result<R> {
        native::run(self.0, command)
    }

    /// The clock in microseconds.
    pub(super) fn micros(&mut self) -> Result<i64> {
        native::clock(self.0)
    }

    pub(super) fn get(&mut self, key: &Bytes) -> Result<Option<Bytes>> {
        self.run(Command::new("GET").arg(key))
    }

    pub(super) fn score(&mut self, key: &Bytes, member: &[u8]) -> Result<Option<i64>> {
        let score: Option<f64> = self.run(Command::new("ZSCORE").arg(key).arg(member))?;
        Ok(score.map(|score| score as i64))
    }

    pub(super) fn count(&mut self, key: &Bytes) -> Result<i64> {
        self.run(Command::new("ZCARD").arg(key))
    }

    /// The members from one place to another.
    pub(super) fn members(&mut self, key: &Bytes, from: i64, to: i64) -> Result<Vec<Bytes>> {
        self.run(Command::new("ZRANGE").arg(key).arg(from).arg(to))
    }

    /// The score of the member at this place.
    pub(super) fn score_at(&mut self, key: &Bytes, place: i64) -> Result<Option<i64>> {
        match self.members(key, place, place)?.first() {
            Some(member) => self.score(key, member),
            None => Ok(None),
        }
    }

    pub(super) fn add(&mut self, key: &Bytes, score: i64, member: &[u8]) -> Result<()> {
        self.run::<Value>(Command::new("ZADD").arg(key).arg(score).arg(member)).map(drop)
    }

    /// Removes a member, and returns whether it was there.
    pub(super) fn remove(&mut self, key: &Bytes, member: &[u8]) -> Result<bool> {
        self.run(Command::new("ZREM").arg(key).arg(member))
    }

    pub(super) fn remove_up_to(&mut self, key: &Bytes, score: i64) -> Result<()> {
        let command = Command::new("ZREMRANGEBYSCORE").arg(key).arg("-inf").arg(score);
        self.run::<Value>(command).map(drop)
    }

    pub(super) fn expire(&mut self, key: &Bytes, millis: impl ToArg) -> Result<bool> {
        self.run(Command::new("PEXPIRE").arg(key).arg(millis))
    }

    /// Lets a lock of several holders expire with the last of them.
    pub(super) fn expire_with_the_last(&mut self, lock: &Bytes) -> Result<bool> {
        let last = self.score_at(lock, -1)?.unwrap_or(0);
        self.run(Command::new("PEXPIREAT").arg(lock).arg(last))
    }
}

/// The kind of holders that a lock has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Free,
    /// It has holders that share it.
    Shared,
    /// Anything else.
    Exclusive,
}

/// A lock and its waiters, at one moment.
pub(super) struct Waiters<'a> {
    pub(super) queue: &'a Bytes,
    pub(super) alive: &'a Bytes,
    pub(super) now: i64,
}

/// No waiter counts as alive for more milliseconds. If one seems to, the clock was set back.
pub(super) const LONGEST_ALIVE: i64 = 60_000;

/// How many waiters a script looks at at once.
pub(super) const LOOK_AT: i64 = 64;

/// How often a script looks at further waiters because it found dead ones.
pub(super) const LOOKS: i64 = 64;

impl Waiters<'_> {
    pub(super) fn forget(&self, server: &mut Server, waiter: &[u8]) -> Result<()> {
        server.remove(self.queue, waiter)?;
        server.remove(self.alive, waiter).map(drop)
    }

    /// Some of them, from this place of the queue on.
    pub(super) fn waiters_from(&self, server: &mut Server, place: i64) -> Result<Vec<Bytes>> {
        server.members(self.queue, place, place + LOOK_AT - 1)
    }

    /// For how many milliseconds a waiter still counts as alive; 0 if it does not.
    pub(super) fn lasts(&self, server: &mut Server, waiter: &[u8]) -> Result<i64> {
        let till = server.score(self.alive, waiter)?.unwrap_or(0);
        let left = till.saturating_sub(self.now);
        Ok(if (1..=LONGEST_ALIVE).contains(&left) { left } else { 0 })
    }

    /// Wakes the waiters that may go on, if `places` more holders can share the lock.
    pub(super) fn wake(&self, server: &mut Server, kind: Kind, mut places: i64) -> Result<()> {
        let mut free = kind == Kind::Free;
        // Each look may find dead waiters alone, which it removes.
        for _ in 0..LOOKS {
            let (waiters, mut any_alive) = (self.waiters_from(server, 0)?, false);
            for waiter in &waiters {
                if self.lasts(server, waiter)? == 0 {
                    self.forget(server, waiter)?;
                    continue;
                }
                any_alive = true;
                let alone = waiter.first() == Some(&b'x');
                if alone && !free || !alone && places < 1 {
                    break;
                }
                publish(server, waiter);
                if alone {
                    break;
                }
                (free, places) = (false, places - 1);
            }
            if any_alive || (waiters.len() as i64) < LOOK_AT {
                break;
            }
        }
        Ok(())
    }
}

fn publish(server: &mut Server, waiter: &[u8]) {
    // An instance and a random text, of 16 digits each, are the end of every token.
    let instance = waiter.len().checked_sub(32).and_then(|at| waiter.get(at..at + 16));
    let channel = [b"edgecask:unlocked:", instance.unwrap_or_default()].concat();
    let token = waiter.get(1..).unwrap_or_default();
    // A waiter that is not woken looks again by itself.
    let _ = server.0.call(Command::new("PUBLISH").arg(channel).arg(token));
}
