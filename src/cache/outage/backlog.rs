//! The backlog: invalidations that failed because Redis was away. They are kept, and carried out when it is back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::degrade::{Operation, Outage};
use super::drain_lock::{DrainGuard, DrainLock};
use super::owed::{Invalidation, Owed, Scan, Selection, Step};
use crate::cache::invalidate::Invalidator;
use crate::command::keys::Cursor;
use crate::platform::{self, Background, Instant};
use crate::{ErrorKind, Key, Keyspace, Pattern, Result};

/// How many keys or tags the first step of a drain carries out, when it is not known yet whether Redis is back; and the
/// later steps.
const FIRST_BATCH: usize = 16;
const BATCH: usize = 500;
/// How many steps a call makes, one round trip each, before it leaves the rest to the background.
const STEPS_OF_A_CALL: usize = 4;
/// The pauses between retries in the background. A retry that is `RETRY_GRACE` counts as dead.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const RETRY_GRACE: Duration = Duration::from_secs(10);
/// How long retries continue after the cache was dropped, as at the end of a request.
const AFTER_DROP: Duration = Duration::from_secs(60);
/// How long a request of a Worker retries. The platform ends its background work 30 s after its answer.
const AFTER_ANSWER: Duration = Duration::from_secs(25);

/// How many steps a drain in the background makes. A request of a Worker may make about 50 subrequests, so the next request
/// continues.
fn steps_in_background() -> usize {
    if platform::shares_futures() { usize::MAX } else { 20 }
}

/// The invalidations that are owed to Redis. While there are any, the cache serves nothing from Redis.
pub(crate) struct Backlog {
    invalidator: Invalidator,
    outage: Arc<Outage>,
    keyspace: Option<Keyspace>,
    is_owing: AtomicBool,
    owed: Mutex<Owed>,
    lock: DrainLock,
    /// The number of drains that left something.
    unfinished: AtomicU64,
}

/// The result of a drain: what was carried out.
#[derive(PartialEq)]
enum Drained {
    Everything,
    Something,
    Nothing,
}

impl Backlog {
    pub(crate) fn new(
        invalidator: Invalidator,
        outage: Arc<Outage>,
        keyspace: Option<Keyspace>,
    ) -> Self {
        Self {
            invalidator,
            outage,
            keyspace,
            is_owing: AtomicBool::default(),
            owed: Mutex::default(),
            lock: DrainLock::default(),
            unfinished: AtomicU64::default(),
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_owing(&self) -> bool {
        self.is_owing.load(Ordering::SeqCst)
    }

    fn update(&self, owed: &Owed) {
        self.is_owing.store(!owed.is_empty(), Ordering::SeqCst);
    }

    /// How many keys, tags and patterns are owed.
    pub(crate) fn len(&self) -> u64 {
        if self.is_owing() { self.owed().len() as u64 } else { 0 }
    }

    /// The current time by the backlog's logical clock, which advances with each deferred invalidation.
    pub(crate) fn now(&self) -> u64 {
        self.owed().now()
    }

    /// Drops the owed deletions of keys that were written after this time.
    pub(crate) fn supersede(&self, keys: &[Key], since: u64) {
        if self.is_owing() {
            let mut owed = self.owed();
            owed.supersede(keys, since);
            self.update(&owed);
        }
    }

    /// Records the result of an invalidation or a write. If the tier tolerates a failure, `deferred` is kept until Redis is
    /// back, and the result is `None`. If there is no room for it, the call fails in every tier, and the caller has to
    /// repeat it.
    pub(crate) fn record_or_defer<T>(
        self: &Arc<Self>,
        result: Result<T>,
        deferred: impl FnOnce() -> Invalidation,
        background: &Background,
    ) -> Result<Option<T>> {
        let result = self.outage.record(Operation::Write, result);
        match result {
            Err(error) if self.outage.tolerates(&error) && !self.defer(deferred(), background) => {
                tracing::error!("the backlog of invalidations is full while Redis is away");
                Err(error)
            }
            result => self.outage.degrade(Operation::Write, result),
        }
    }

    /// Keeps an invalidation until Redis is back; returns whether there is room for it. It is retried in the background
    /// after 100 ms, and then after pauses that grow to 10 s.
    pub(crate) fn defer(
        self: &Arc<Self>,
        invalidation: Invalidation,
        background: &Background,
    ) -> bool {
        let mut owed = self.owed();
        let kept = owed.add(invalidation, self.keyspace.as_ref());
        self.update(&owed);
        let now = Instant::now();
        // In a Worker, a retry may end with its request and not clear this mark.
        let retrying = owed.retrying.is_some_and(|until| until > now);
        if kept && !retrying {
            owed.retrying = Some(now + FIRST_PAUSE + RETRY_GRACE);
            drop(owed);
            let retry = Arc::clone(self).retry(background.has_hook());
            background.spawn(platform::send(|| retry));
        }
        kept
    }

    async fn retry(self: Arc<Self>, is_awaited: bool) {
        let (mut pause, mut alone_since) = (FIRST_PAUSE, None);
        let began = Instant::now();
        loop {
            // Without a hook, the timer must not keep the program alive.
            match is_awaited {
                true => platform::sleep(pause).await,
                false => platform::sleep_idly(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.drain_all().await;
            let mut owed = self.owed();
            // `defer` holds the same lock when it looks for a running retry.
            let is_over = !platform::shares_futures() && began.elapsed() + pause > AFTER_ANSWER;
            if owed.is_empty() || is_over {
                owed.retrying = None;
                return;
            }
            if Arc::strong_count(&self) == 1 {
                let since = *alone_since.get_or_insert_with(Instant::now);
                if since.elapsed() > AFTER_DROP {
                    let owed = owed.len();
                    tracing::error!(
                        owed,
                        "invalidations are lost: Redis did not come back before the cache was dropped"
                    );
                    return;
                }
            }
            owed.retrying = Some(Instant::now() + pause + RETRY_GRACE);
        }
    }

    /// Carries out everything that is owed, until Redis fails; returns whether nothing is left.
    pub(crate) async fn drain_all(&self) -> bool {
        if !self.is_owing() {
            return true;
        }
        let Some(mut guard) = self.lock.lock().await else {
            return false;
        };
        self.drain_steps(&mut guard, steps_in_background()).await == Drained::Everything
    }

    /// Carries out what is owed in a few round trips, and leaves the rest to the background; returns whether nothing is
    /// left. While something is left, nothing may be served from Redis.
    pub(crate) async fn drain(self: &Arc<Self>, background: &Background) -> bool {
        if !self.is_owing() {
            return true;
        }
        let unfinished = self.unfinished.load(Ordering::SeqCst);
        let guard = match self.lock.try_lock() {
            // A call does not wait for a scan of the database.
            None if self.owed().is_scanning() => None,
            None => self.lock.lock().await,
            guard => guard,
        };
        let Some(mut guard) = guard else {
            return false;
        };
        // Another drain ended while this call waited for the lock. Its result counts for all waiters.
        if self.unfinished.load(Ordering::SeqCst) != unfinished {
            return false;
        }
        let drained = self.drain_steps(&mut guard, STEPS_OF_A_CALL).await;
        drop(guard);
        if drained == Drained::Something {
            let backlog = Arc::clone(self);
            background.spawn(platform::send(|| async move {
                if let Some(mut guard) = backlog.lock.try_lock() {
                    backlog.drain_steps(&mut guard, steps_in_background()).await;
                }
            }));
        }
        drained == Drained::Everything
    }

    async fn drain_steps(&self, guard: &mut DrainGuard<'_>, steps: usize) -> Drained {
        let mut most = FIRST_BATCH;
        for _ in 0..steps {
            guard.renew();
            let step = self.owed().next_step(most);
            let Some(step) = step else {
                return Drained::Everything;
            };
            let carried_out = self.carry_out(&step).await;
            let next = match self.outage.record(Operation::Write, carried_out) {
                Ok(next) => next,
                Err(error) => {
                    self.unfinished.fetch_add(1, Ordering::SeqCst);
                    if error.kind() != ErrorKind::BudgetSpent {
                        self.owed().restart_scan();
                    }
                    tracing::debug!(%error, "the backlog of invalidations cannot be drained yet");
                    return Drained::Nothing;
                }
            };
            most = BATCH;
            if self.complete(step, next) {
                tracing::info!("the backlog of invalidations is drained");
                return Drained::Everything;
            }
        }
        self.unfinished.fetch_add(1, Ordering::SeqCst);
        Drained::Something
    }

    /// Removes a step that was carried out; returns whether nothing is left.
    fn complete(&self, step: Step, next: Cursor) -> bool {
        let mut owed = self.owed();
        owed.complete(step, next);
        self.update(&owed);
        owed.is_empty()
    }

    /// Carries out a step; returns the cursor of its scan.
    async fn carry_out(&self, step: &Step) -> Result<Cursor> {
        match step {
            Step::Keys(keys) => {
                let keys: Vec<Key> = keys.iter().map(|(key, _)| key.clone()).collect();
                self.invalidator.delete(&keys).await?;
            }
            Step::Tags(names) => {
                let names: Vec<String> = names.iter().map(|(tag, _)| tag.clone()).collect();
                self.invalidator.renew_tags(&names).await?;
            }
            Step::Page(scan) => return self.scan_page(scan).await,
        }
        Ok(Cursor::default())
    }

    /// Deletes the keys on one page of a scan; returns the next cursor.
    async fn scan_page(&self, scan: &Scan) -> Result<Cursor> {
        let (leases, cursor) = (scan.leases, &scan.cursor);
        let page = match &scan.what {
            Selection::Pattern(pattern, _) => {
                self.invalidator.delete_page(pattern, leases, |_| true, cursor).await
            }
            Selection::Hashes(hashes) => {
                let every = Pattern::verbatim("*")?;
                let selected = |key: &[u8]| hashes.contains(key);
                self.invalidator.delete_page(&every, leases, selected, cursor).await
            }
        };
        let next = page?.next;
        if scan.ends_at(&next) {
            self.invalidator.announce_all().await?;
        }
        Ok(next)
    }
}
