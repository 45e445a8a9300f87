//! Decisions of a server in a second, by callers at the same time.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgecask::layer::AutoPipeline;
use edgecask::limit::{Policy, RateLimiter};
use futures_util::future::try_join_all;

use super::super::peer::{self, Kind, Task};
use super::super::rounds::Done;

// As in benches/js/coordination.mjs.
const CALLERS: usize = 64;
const IDENTIFIERS: usize = 1000;
const TIME: Duration = Duration::from_secs(2);
/// A limit that refuses no call, because a process may remember a refusal.
const LIMIT: u64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(60);

pub(in super::super) async fn run(task: Task, kind: Kind, url: &str, token: &str) -> Result<Done> {
    let client = peer::client(url, token)?;
    let client = match kind {
        Kind::Edgecask => client,
        Kind::EdgecaskPipelining => client.layer(AutoPipeline::new()),
        _ => return peer::unknown(kind),
    };
    let policy = match task {
        Task::FixedWindow => Policy::fixed_window(LIMIT, WINDOW),
        Task::TokenBucket => Policy::token_bucket(LIMIT, WINDOW, LIMIT),
        _ => Policy::sliding_window(LIMIT, WINDOW),
    };
    let limiter = RateLimiter::builder(client).policy(policy).build()?;
    let decide = async |number: usize| -> Result<()> {
        let decision = limiter.limit(&format!("user:{}", number % IDENTIFIERS)).await?;
        ensure!(decision.is_allowed() && decision.failure().is_none(), "{decision:?}");
        Ok(())
    };
    // Connections and scripts are there before the clock starts.
    try_join_all((0..CALLERS).map(&decide)).await?;
    let start = Instant::now();
    let caller = async |caller: usize| -> Result<usize> {
        let mut done = 0;
        while start.elapsed() < TIME {
            decide(caller * 7919 + done).await?;
            done += 1;
        }
        Ok(done)
    };
    let done = try_join_all((0..CALLERS).map(caller)).await?.into_iter().sum();
    Ok(Done { figures: vec![peer::per_second(done, start)], operations: done as f64 })
}
