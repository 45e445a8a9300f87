//! A limiter in the memory of one process.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fingerprint::Fingerprints;
use crate::platform::Instant;
use crate::{Error, ErrorKind, Result};

/// Parts of the map, each with a lock of its own.
const SHARDS: usize = 16;

/// How many keys an eviction looks at.
const SAMPLE: usize = 16;

/// The generic cell rate algorithm in the memory of this process, for a bounded number of keys. It is exact to the
/// nanosecond, needs no Redis, and never waits.
///
/// A key takes at most 75 bytes. A key whose burst is whole again is the same as a key that was never seen, and is
/// forgotten when the map is full. If there is no such key, a few keys are sampled, and the one that is closest to this state is
/// forgotten.
///
/// ```
/// use edgecask::limit::LocalLimiter;
/// use std::time::Duration;
///
/// // 100 calls a second, and at most 2 at once.
/// let limiter = LocalLimiter::new(100, Duration::from_secs(1), 2)?;
/// assert!(limiter.check("user:1").is_ok());
/// assert!(limiter.check("user:1").is_ok());
/// let wait = limiter.check("user:1").unwrap_err();
/// assert!(wait <= Some(Duration::from_millis(10)));
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalLimiter {
    limit: u64,
    period: u64,
    burst: u64,
    /// The most keys of a shard.
    most: usize,
    start: Instant,
    fingerprints: Fingerprints,
    shards: [Mutex<Shard>; SHARDS],
}

/// The theoretical arrival time of each key: nanoseconds since the start, multiplied by the limit. In this unit a call adds as
/// much as the period has nanoseconds, and all numbers are whole.
#[derive(Debug, Default)]
struct Shard {
    arrivals: HashMap<u128, u128, BuildHasherDefault<Hashed>>,
    /// How many keys were added since the last sweep.
    added: usize,
}

/// A hasher for keys that are keyed hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = hash as u64;
    }
}

impl LocalLimiter {
    /// `limit` calls in each `period`, and at most `burst` at once after a pause; for 100,000 keys.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if one of them is 0, or they are so large that their product has more than 64 bits: the burst or the
    /// limit is above a billion, or the period above 366 days.
    pub fn new(limit: u64, period: Duration, burst: u64) -> Result<Self> {
        const LONGEST: Duration = Duration::from_secs(366 * 86_400);
        let largest = super::policy::LARGEST_LIMIT;
        if limit == 0 || burst == 0 || limit > largest || burst > largest {
            return Err(Error::new(
                ErrorKind::Config,
                "a local limiter must have a limit and a burst of 1 to a billion",
            ));
        }
        if period.is_zero() || period > LONGEST {
            return Err(Error::new(
                ErrorKind::Config,
                "a local limiter must have a period of at most 366 days",
            ));
        }
        Ok(Self {
            limit,
            period: period.as_nanos() as u64,
            burst,
            most: 100_000_usize.div_ceil(SHARDS),
            start: Instant::now(),
            fingerprints: Fingerprints::default(),
            shards: Default::default(),
        })
    }

    /// The most keys that it remembers, about.
    #[must_use]
    pub fn most_keys(mut self, keys: usize) -> Self {
        self.most = keys.div_ceil(SHARDS).max(1);
        self
    }

    /// Counts a call of this key, if it has room for it.
    ///
    /// # Errors
    /// How long until it has.
    pub fn check(&self, key: &str) -> std::result::Result<(), Option<Duration>> {
        self.check_n(key, 1)
    }

    /// As [`check`](Self::check), for a call of this cost.
    ///
    /// # Errors
    /// How long until it has room; `None` if it never has, because the cost is above the burst.
    pub fn check_n(&self, key: &str, cost: u64) -> std::result::Result<(), Option<Duration>> {
        if cost > self.burst {
            return Err(None);
        }
        let now = self.start.elapsed().as_nanos() * u128::from(self.limit);
        let period = u128::from(self.period);
        let key = self.fingerprints.of(key);
        let mut shard = self.shard(key);
        let arrival = shard.arrivals.get_mut(&key);
        let next =
            arrival.as_deref().map_or(now, |&arrival| arrival.max(now)) + u128::from(cost) * period;
        let latest = now + u128::from(self.burst) * period;
        if next > latest {
            let wait = (next - latest).div_ceil(u128::from(self.limit));
            return Err(Some(Duration::from_nanos(wait.try_into().unwrap_or(u64::MAX))));
        }
        match arrival {
            Some(arrival) => *arrival = next,
            None => shard.add(key, next, now, self.most),
        }
        Ok(())
    }

    /// As [`check_n`](Self::check_n), but counts nothing.
    pub(super) fn look(&self, key: &str, cost: u64) -> std::result::Result<(), Option<Duration>> {
        if cost > self.burst {
            return Err(None);
        }
        let now = self.start.elapsed().as_nanos() * u128::from(self.limit);
        let period = u128::from(self.period);
        let key = self.fingerprints.of(key);
        let arrival = self.shard(key).arrivals.get(&key).map_or(now, |&arrival| arrival.max(now));
        let next = arrival + u128::from(cost) * period;
        let wait = next.saturating_sub(now + u128::from(self.burst) * period);
        if wait == 0 {
            return Ok(());
        }
        let wait = wait.div_ceil(u128::from(self.limit));
        Err(Some(Duration::from_nanos(wait.try_into().unwrap_or(u64::MAX))))
    }

    /// Gives back a call that was counted.
    pub(super) fn give_back(&self, key: &str, cost: u64) {
        let key = self.fingerprints.of(key);
        if let Some(arrival) = self.shard(key).arrivals.get_mut(&key) {
            *arrival = arrival.saturating_sub(u128::from(cost) * u128::from(self.period));
        }
    }

    /// How many calls this key has room for.
    pub fn remaining(&self, key: &str) -> u64 {
        let now = self.start.elapsed().as_nanos() * u128::from(self.limit);
        let period = u128::from(self.period);
        let key = self.fingerprints.of(key);
        let arrival = self.shard(key).arrivals.get(&key).map_or(now, |&arrival| arrival.max(now));
        let left = (now + u128::from(self.burst) * period).saturating_sub(arrival) / period;
        left.try_into().unwrap_or(u64::MAX)
    }

    /// Forgets the calls of this key.
    pub fn reset(&self, key: &str) {
        let key = self.fingerprints.of(key);
        self.shard(key).arrivals.remove(&key);
    }

    /// How many keys it remembers.
    pub fn keys(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).arrivals.len()).sum()
    }

    fn shard(&self, key: u128) -> MutexGuard<'_, Shard> {
        // The map itself uses the lower half.
        lock(&self.shards[(key >> 64) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn add(&mut self, key: u128, arrival: u128, now: u128, most: usize) {
        if self.arrivals.len() >= most {
            // A sweep looks at all keys, so it is made once for many that are added.
            if self.added >= most / 4 {
                self.added = 0;
                self.arrivals.retain(|_, arrival| *arrival > now);
            }
            if self.arrivals.len() >= most {
                let few = self.arrivals.iter().take(SAMPLE);
                if let Some((&first, _)) = few.min_by_key(|&(_, &arrival)| arrival) {
                    self.arrivals.remove(&first);
                }
            }
        }
        self.added += 1;
        self.arrivals.insert(key, arrival);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_idle_keys_go_first() -> Result<()> {
        let limiter = LocalLimiter::new(1, Duration::from_secs(3600), 1)?.most_keys(64);
        for number in 0..10_000 {
            assert!(limiter.check(&number.to_string()).is_ok(), "a new key has room");
            assert!(limiter.keys() <= 64);
        }
        let quick = LocalLimiter::new(1_000_000, Duration::from_micros(1), 1)?.most_keys(16 * 8);
        (0..10_000).for_each(|number| {
            let _ = quick.check(&number.to_string());
        });
        assert!(quick.keys() <= 16 * 8);
        Ok(())
    }

    #[test]
    fn a_burst_passes_and_no_call_more() -> Result<()> {
        let limiter = LocalLimiter::new(7, Duration::from_secs(3600), 5)?;
        assert_eq!(limiter.remaining("a"), 5);
        assert!(limiter.check_n("a", 3).is_ok());
        assert_eq!(limiter.check_n("a", 6), Err(None));
        assert!(limiter.check_n("a", 3).is_err_and(|wait| wait > Some(Duration::from_secs(500))));
        assert!(limiter.check_n("a", 2).is_ok());
        assert_eq!(limiter.remaining("a"), 0);
        assert!(limiter.check("b").is_ok(), "another key has its own");
        limiter.give_back("a", 2);
        assert_eq!(limiter.remaining("a"), 2);
        limiter.give_back("a", 1_000_000_000);
        assert_eq!(limiter.remaining("a"), 5, "no more than the burst");
        limiter.reset("a");
        assert_eq!(limiter.remaining("a"), 5);
        Ok(())
    }
}
