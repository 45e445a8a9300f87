//! Decisions of a limiter in the process, without a server, and the memory of its keys.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use edgecask::limit::LocalLimiter;
use governor::{DefaultKeyedRateLimiter, Quota};
use throttlecrab::{PeriodicStore, RateLimiter};

use crate::throughput::median;

const ROUNDS: usize = 11;
const KEYS: usize = 10_000;
const CALLS: usize = 500_000;
/// Calls of a key in a second, and at once. About half of the calls are refused.
const LIMIT: u32 = 100;

/// The limiters, in the order of their figures.
pub(in super::super) const NAMES: [&str; 3] =
    ["Edgecask's `LocalLimiter`", "governor", "throttlecrab"];

pub(in super::super) struct Measured {
    pub(in super::super) rows: Vec<Row>,
}

pub(in super::super) struct Row {
    pub(in super::super) name: &'static str,
    pub(in super::super) nanos: f64,
    /// The speed of the first limiter as a ratio to this one's.
    pub(in super::super) ratio: f64,
    /// The memory of a key, with 100,000 and with 120,000 of them.
    pub(in super::super) bytes: [f64; 2],
}

pub(super) fn measure() -> Result<Measured> {
    let keys: Vec<String> = (0..KEYS).map(|key| format!("user:{key:08}")).collect();
    let burst = NonZeroU32::new(LIMIT).context("it is not zero")?;
    let edgecask = LocalLimiter::new(LIMIT.into(), Duration::from_secs(1), LIMIT.into())?;
    let governor = DefaultKeyedRateLimiter::<String>::dashmap(Quota::per_second(burst));
    let mut throttlecrab = RateLimiter::new(PeriodicStore::new());
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(nanos(&keys, |key| edgecask.check(key).is_ok()));
        rounds[1].push(nanos(&keys, |key| governor.check_key(key).is_ok()));
        rounds[2].push(nanos(&keys, |key| {
            let limit = i64::from(LIMIT);
            let decided = throttlecrab.rate_limit(key, limit, limit, 1, 1, SystemTime::now());
            decided.is_ok_and(|(allowed, _)| allowed)
        }));
    }
    let bytes = bytes()?;
    let rows = NAMES.iter().zip(&rounds).zip(bytes).map(|((name, own), bytes)| {
        let pairs = rounds[0].iter().zip(own);
        let ratio = median(pairs.map(|(first, own)| own / first));
        Row { name, nanos: median(own.iter().copied()), ratio, bytes }
    });
    Ok(Measured { rows: rows.collect() })
}

fn nanos(keys: &[String], mut decide: impl FnMut(&String) -> bool) -> f64 {
    let start = Instant::now();
    for call in 0..CALLS {
        black_box(decide(&keys[call * 7919 % KEYS]));
    }
    start.elapsed().as_nanos() as f64 / CALLS as f64
}

/// The output of `edgecask-bench-memory` for each limiter.
fn bytes() -> Result<Vec<[f64; 2]>> {
    let program = std::env::current_exe()?.with_file_name("edgecask-bench-memory");
    let output = Command::new(program).arg("limits").output().context("it is built")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
