//! The memory of a key of a rate limiter in the process, its text included where the limiter keeps it.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use edgecask::limit::LocalLimiter;
use governor::{DefaultKeyedRateLimiter, Quota};
use throttlecrab::{PeriodicStore, RateLimiter};

use crate::ALLOCATED;

/// So many keys fill the tables of a map well, and badly.
const COUNTS: [usize; 2] = [100_000, 120_000];

/// Prints the bytes of a key of each limiter, with each number of keys, as JSON.
pub(crate) fn run() -> Result<()> {
    let hour = Duration::from_secs(3600);
    let mut all: [[f64; 2]; 3] = Default::default();
    for (place, count) in COUNTS.into_iter().enumerate() {
        all[0][place] = bytes(count, || {
            let limiter = LocalLimiter::new(10, hour, 10)?.most_keys(2 * count);
            each(count, |key| limiter.check(key).is_ok())?;
            Ok(limiter)
        })?;
        all[1][place] = bytes(count, || {
            let burst = NonZeroU32::new(10).context("it is not zero")?;
            let limiter = DefaultKeyedRateLimiter::<String>::dashmap(Quota::per_hour(burst));
            each(count, |key| limiter.check_key(&key.to_owned()).is_ok())?;
            Ok(limiter)
        })?;
        all[2][place] = bytes(count, || {
            let mut limiter = RateLimiter::new(PeriodicStore::new());
            each(count, |key| {
                let decided = limiter.rate_limit(key, 10, 10, 3600, 1, SystemTime::now());
                decided.is_ok_and(|(allowed, _)| allowed)
            })?;
            Ok(limiter)
        })?;
    }
    println!("{}", serde_json::to_string(&all)?);
    Ok(())
}

fn each(count: usize, mut decide: impl FnMut(&str) -> bool) -> Result<()> {
    let allowed = (0..count).filter(|key| decide(&format!("user:{key:08}"))).count();
    ensure!(allowed == count, "{allowed} of {count} first calls were allowed");
    Ok(())
}

/// What is allocated when the limiter is full, for each of its keys.
fn bytes<T>(count: usize, filled: impl FnOnce() -> Result<T>) -> Result<f64> {
    let before = ALLOCATED.current_usage();
    let limiter = filled()?;
    let taken = ALLOCATED.current_usage().saturating_sub(before);
    drop(limiter);
    Ok(taken as f64 / count as f64)
}
