//! One peer at its task, in a process of its own.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use edgecask::Client;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};

use super::rounds::Done;
use super::{events, limit, lock, queue};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Task {
    /// Decisions of a rate limit
    SlidingWindow,
    FixedWindow,
    TokenBucket,
    /// Hand-overs of a lock among waiters
    Lock,
    /// Tasks are added one by one, added in bulk, and processed
    Queue,
    /// Tasks are processed when they are due
    Delay,
    /// Events go to many subscribers
    Events,
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Edgecask,
    /// Edgecask with the layer that joins commands into pipelines
    EdgecaskPipelining,
    /// Edgecask, a client for each subscriber
    EdgecaskApart,
    Rslock,
    Bullmq,
    Apalis,
    /// Commands as another library sends them
    Bare,
    /// An npm package, by benches/js/coordination.mjs
    Node,
}

/// One peer at its task.
#[derive(Args)]
pub(crate) struct Peer {
    task: Task,
    kind: Kind,
    url: String,
    token: String,
}

pub(crate) fn run(peer: &Peer) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Peer { task, kind, url, token } = peer;
    let done = runtime.block_on(async {
        match task {
            Task::SlidingWindow | Task::FixedWindow | Task::TokenBucket => {
                limit::rest::run(*task, *kind, url, token).await
            }
            Task::Lock => lock::run(*kind, url).await,
            Task::Queue => queue::throughput::run(*kind, url).await,
            Task::Delay => queue::delay::run(*kind, url).await,
            Task::Events => events::run(*kind, url).await,
        }
    })?;
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

/// No client does this task.
pub(super) fn unknown(kind: Kind) -> Result<Done> {
    bail!("{kind:?} has no such task")
}

/// A client over TCP, or over REST where the URL says so.
pub(super) fn client(url: &str, token: &str) -> Result<Client> {
    Ok(match url.starts_with("http") {
        true => Client::rest(url, token)?,
        false => Client::new(TcpTransport::new(TcpOptions::new(url))?),
    })
}

/// The median, the 99th percentile and the maximum, in milliseconds.
pub(super) fn spread(mut times: Vec<Duration>) -> Vec<f64> {
    times.sort_unstable();
    let millis = |part: usize| {
        let place = (times.len() * part / 100).min(times.len().saturating_sub(1));
        times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    vec![millis(50), millis(99), millis(100)]
}

/// `count` operations since `since`, in operations per second.
pub(super) fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}
