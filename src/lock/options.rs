use std::time::Duration;

/// How locks are held and waited for.
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](Self::ttl) | 30 s |
/// | [`renew`](Self::renew) | on |
/// | [`max_hold`](Self::max_hold) | no limit |
/// | [`wait`](Self::wait) | 30 s |
/// | [`waiters`](Self::waiters) | 1000 |
/// | [`waiter_ttl`](Self::waiter_ttl) | 5 s |
/// | [`wake_up`](Self::wake_up) | on |
/// | [`owner`](Self::owner) | none |
/// | [`fence_ttl`](Self::fence_ttl) | none |
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::lock::LockOptions;
///
/// let options = LockOptions::new()
///     .ttl(Duration::from_secs(10))
///     .wait(Duration::from_secs(2))
///     .owner("worker_node_2");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockOptions {
    pub(super) ttl: Duration,
    pub(super) renew: bool,
    pub(super) max_hold: Option<Duration>,
    pub(super) wait: Duration,
    pub(super) waiters: u32,
    pub(super) waiter_ttl: Duration,
    pub(super) wake_up: bool,
    pub(super) owner: Option<String>,
    pub(super) fence_ttl: Option<Duration>,
}

/// A time to live that Redis can hold, with room for sums.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Shorter times to live would end between two commands.
const SHORTEST: Duration = Duration::from_millis(10);

impl LockOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            ttl: Duration::from_secs(30),
            renew: true,
            max_hold: None,
            wait: Duration::from_secs(30),
            waiters: 1000,
            waiter_ttl: Duration::from_secs(5),
            wake_up: true,
            owner: None,
            fence_ttl: None,
        }
    }

    /// How long a lock stays without a renewal. If its holder dies, others wait for that long. From 10 ms to ten years, in whole
    /// milliseconds.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.clamp(SHORTEST, LONGEST);
        self
    }

    /// Whether a held lock is renewed, whenever a third of its time to live has passed. If not, it ends with its time to live.
    #[must_use]
    pub fn renew(mut self, renew: bool) -> Self {
        self.renew = renew;
        self
    }

    /// How long a lock may be held in all, by the server's clock too. It is not renewed beyond, so that work that hangs does not
    /// hold it for ever.
    #[must_use]
    pub fn max_hold(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.max_hold = limit.into().map(|limit| limit.max(SHORTEST));
        self
    }

    /// How long a caller waits for a lock that is not free.
    #[must_use]
    pub fn wait(mut self, longest: Duration) -> Self {
        self.wait = longest;
        self
    }

    /// How many callers may wait for one lock.
    #[must_use]
    pub fn waiters(mut self, most: u32) -> Self {
        self.waiters = most;
        self
    }

    /// How long a waiter keeps its place in the queue without a request. A waiter renews its place four times
    /// in this time, at most once a second. From 2 s to a minute.
    #[must_use]
    pub fn waiter_ttl(mut self, ttl: Duration) -> Self {
        self.waiter_ttl = ttl.clamp(Duration::from_secs(2), Duration::from_secs(60));
        self
    }

    /// Whether waiters are woken by pub/sub, where the transport has subscriptions. A process then keeps one subscription while
    /// it waits for locks.
    #[must_use]
    pub fn wake_up(mut self, wake_up: bool) -> Self {
        self.wake_up = wake_up;
        self
    }

    /// The name of the owner, as redis-cli shows it in the lock: `worker_node_2:5f1c…`. It is no secret.
    #[must_use]
    pub fn owner(mut self, name: impl Into<String>) -> Self {
        self.owner = Some(name.into());
        self
    }

    /// How long the counter of fencing tokens stays after the last acquisition. Without one it stays for ever, one small key
    /// for each lock. A counter that is gone begins again at the server's clock in microseconds, above all that it gave
    /// before, so an expiry of some days is safe if the server's clock is never set back by so much. A counter that is gone
    /// counts as lost only if it would not have expired; see [`LockGuard::counter_was_lost`](super::LockGuard::counter_was_lost).
    #[must_use]
    pub fn fence_ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        self.fence_ttl = ttl.into().map(|ttl| ttl.clamp(Duration::from_secs(1), LONGEST));
        self
    }
}

impl LockOptions {
    /// How long a lock stays in Redis without a renewal: not longer than it may be held.
    pub(super) fn lease(&self) -> Duration {
        self.max_hold.map_or(self.ttl, |limit| limit.min(self.ttl))
    }
}

impl Default for LockOptions {
    fn default() -> Self {
        Self::new()
    }
}
