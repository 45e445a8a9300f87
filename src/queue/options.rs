//! The settings of a queue.

use std::time::Duration;

use super::backoff::Backoff;

/// The settings of a queue. They are not stored in Redis: each process applies its own. All processes that use a queue should have the
/// same settings.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueOptions {
    pub(super) lease: Duration,
    pub(super) attempts: u32,
    pub(super) poison_cap: u32,
    pub(super) backoff: Backoff,
    pub(super) ttl: Option<Duration>,
    pub(super) max_tasks: u64,
    pub(super) max_payload_bytes: usize,
    pub(super) max_pull_bytes: usize,
    pub(super) dead_letters: u64,
    pub(super) group_concurrency: u32,
    pub(super) rate: Option<(u32, Duration)>,
    pub(super) remember: (Duration, u64),
    pub(super) result_ttl: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            attempts: 5,
            poison_cap: 3,
            backoff: Backoff::default(),
            ttl: Some(Duration::from_secs(24 * 3600)),
            max_tasks: 100_000,
            max_payload_bytes: 256 * 1024,
            max_pull_bytes: 1024 * 1024,
            dead_letters: 10_000,
            group_concurrency: 1,
            rate: None,
            remember: (Duration::from_secs(600), 100_000),
            result_ttl: Duration::from_secs(3600),
        }
    }
}

impl QueueOptions {
    /// The default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The visibility timeout: how long a delivery lasts without a heartbeat, by the server's clock. After that the task is delivered
    /// again. Default 30 seconds, at least 10 milliseconds.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease: lease.max(Duration::from_millis(10)), ..self }
    }

    /// The number of failures, by [`Holding::nack`](super::Holding::nack), that make a task a dead letter. Default 5, at least 1.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts: attempts.max(1), ..self }
    }

    /// The number of abandoned deliveries that make a task a dead letter. A delivery is abandoned if its lease ends, as when a worker dies;
    /// this does not count as a failure. Default 3, at least 1.
    #[must_use]
    pub fn poison_cap(self, abandoned: u32) -> Self {
        Self { poison_cap: abandoned.max(1), ..self }
    }

    /// The pause after a failure. By default it doubles from one second to five minutes.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// How long a task may wait, counted from the moment when it is due. After that it becomes a dead letter. Default 24 hours; `None`:
    /// for ever.
    #[must_use]
    pub fn ttl(self, ttl: impl Into<Option<Duration>>) -> Self {
        Self { ttl: ttl.into(), ..self }
    }

    /// How many tasks the queue may have, without dead letters. Default 100 000.
    #[must_use]
    pub fn max_tasks(self, tasks: u64) -> Self {
        Self { max_tasks: tasks.min(1 << 40), ..self }
    }

    /// The longest payload, in bytes of JSON. Default 256 KiB. A longer payload that another program has added to a
    /// [`Source`](super::Source) becomes a dead letter; the queue keeps the payload.
    #[must_use]
    pub fn max_payload_bytes(self, bytes: usize) -> Self {
        Self { max_payload_bytes: bytes, ..self }
    }

    /// The most bytes of payloads in one pull. A single task may exceed it. Default 1 MiB.
    #[must_use]
    pub fn max_pull_bytes(self, bytes: usize) -> Self {
        Self { max_pull_bytes: bytes.clamp(1, 1 << 30), ..self }
    }

    /// How many dead letters are kept. The oldest are dropped. Default 10 000.
    #[must_use]
    pub fn dead_letters(self, count: u64) -> Self {
        Self { dead_letters: count.min(1 << 40), ..self }
    }

    /// How many tasks of one group may be ready or active at the same time. [`Queue::limit_group`](super::Queue::limit_group) overrides it
    /// for one group. Default 1, at least 1.
    #[must_use]
    pub fn group_concurrency(self, tasks: u32) -> Self {
        Self { group_concurrency: tasks.max(1), ..self }
    }

    /// The most deliveries in a period, on average. After an idle time, as many may be delivered at once. Default: no limit.
    #[must_use]
    pub fn rate(self, tasks: u32, period: Duration) -> Self {
        Self { rate: Some((tasks.max(1), period)), ..self }
    }

    /// For how long, and for how many tasks at most, the queue remembers the end of a task. During this time a repeated enqueue adds
    /// nothing, and a repeated acknowledgement succeeds. About 100 bytes for each task. Default 10 minutes, 100 000 tasks.
    #[must_use]
    pub fn remember(self, time: Duration, tasks: u64) -> Self {
        Self { remember: (time, tasks.min(1 << 40)), ..self }
    }

    /// How long the result and the progress of a task are kept. Default one hour.
    #[must_use]
    pub fn result_ttl(self, ttl: Duration) -> Self {
        Self { result_ttl: ttl, ..self }
    }
}

/// Whole milliseconds, at least one, and at most so many that the sum with a clock is exact in Lua.
pub(super) fn millis(time: Duration) -> u64 {
    time.as_millis().clamp(1, 1 << 50) as u64
}
