//! Invalidations that Redis has missed: kept here while it is away, and carried out when it is back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outage::Access;
use super::pending::{Invalidation, Part, Pending};
use super::{Cache, tags};
use crate::platform::{self, Instant};
use crate::{Key, Result};

#[derive(Default)]
pub(super) struct Missed {
    any: AtomicBool,
    pending: Mutex<Pending>,
    /// Held by who makes up for it.
    turn: async_lock::Mutex<()>,
    /// How often that failed.
    failures: AtomicU64,
}

/// How many keys or tags go in the first step, while nobody knows whether Redis is back, and in the later ones.
const FIRST_BATCH: usize = 16;
const BATCH: usize = 500;
/// The pauses of the retries in the background, and how much later than that they are heard of.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const LATE: Duration = Duration::from_secs(10);
/// After how long the turn of a Worker's request is somebody else's: the request may be over, and gives nothing back then.
const LONGEST_TURN: Duration = Duration::from_secs(1);
/// For how long it is tried when the cache itself is gone, as at the end of a request.
const AFTER_DROP: Duration = Duration::from_secs(60);
/// For how long a Worker's request tries it. After its answer it has 30 s; then it is cut off, and the Worker's log says so.
const AFTER_ANSWER: Duration = Duration::from_secs(25);

enum Turn<'a> {
    /// Until it is dropped.
    Waited(#[expect(dead_code, reason = "held")] async_lock::MutexGuard<'a, ()>),
    /// Until it is dropped, or for [`LONGEST_TURN`].
    Taken(&'a Missed),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Self::Taken(missed) = self {
            missed.pending().turn_until = None;
        }
    }
}

impl Missed {
    /// A moment: what is missed later comes after it.
    pub(super) fn moment(&self) -> u64 {
        self.pending().moment()
    }

    /// Keys that were written after this moment: what was missed of them before does not matter any more.
    pub(super) fn superseded(&self, keys: &[Key], moment: u64) {
        if self.any.load(Ordering::SeqCst) {
            let mut pending = self.pending();
            pending.superseded(keys, moment);
            self.any.store(!pending.is_empty(), Ordering::SeqCst);
        }
    }

    /// The turn of who makes up for it: one at a time. A request of a Worker must not wait for another.
    async fn turn(&self) -> Option<Turn<'_>> {
        if platform::shares_futures() {
            return Some(Turn::Waited(self.turn.lock().await));
        }
        let (mut pending, now) = (self.pending(), Instant::now());
        if pending.turn_until.is_some_and(|until| until > now) {
            return None;
        }
        pending.turn_until = Some(now + LONGEST_TURN);
        drop(pending);
        Some(Turn::Taken(self))
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// How many invalidations are still owed to Redis: keys, tags, patterns, and everything. While it is not 0, what Redis
    /// holds is not believed here, but other processes may serve it.
    ///
    /// At the end of a request, [`Cache::catch_up`] tries once more.
    pub fn owed(&self) -> u64 {
        match self.shared.missed.any.load(Ordering::SeqCst) {
            true => self.shared.missed.pending().len() as u64,
            false => 0,
        }
    }

    /// Carries out what is [owed](Cache::owed) to Redis; tells whether nothing is left. It costs nothing if nothing is owed;
    /// else one round trip, or more if it succeeds. Every call to the cache does the same on its own.
    pub async fn catch_up(&self) -> bool {
        self.caught_up().await
    }

    /// Keeps an invalidation that Redis has missed; tells whether there is room for it. It is tried again in the
    /// background, first after 100 ms, then ever more seldom, up to every 10 s: where there is a [hook](Cache::wait_until),
    /// it has the work.
    pub(super) fn miss(&self, invalidation: Invalidation) -> bool {
        let options = self.options();
        let clearable = options.generation.is_some() || options.keyspace.is_some();
        let mut pending = self.shared.missed.pending();
        let kept = pending.add(invalidation, clearable);
        self.shared.missed.any.store(!pending.is_empty(), Ordering::SeqCst);
        let now = Instant::now();
        // What was started for a request of a Worker ends with it, and is not heard of any more.
        let retrying = pending.retrying.is_some_and(|until| until > now);
        if kept && !retrying {
            pending.retrying = Some(now + FIRST_PAUSE + LATE);
            drop(pending);
            let cache = self.clone();
            self.in_background(platform::send(|| cache.retry()));
        }
        kept
    }

    async fn retry(self) {
        let (mut pause, mut alone_since) = (FIRST_PAUSE, None);
        let began = Instant::now();
        loop {
            // Who has the work waits for it. Otherwise nobody does, and a program may end before.
            match self.wait_until {
                Some(_) => platform::sleep(pause).await,
                None => platform::sleep_idly(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.caught_up().await;
            let mut pending = self.shared.missed.pending();
            // Under the same lock as a new miss, which starts a retry if there is none.
            let is_over = !platform::shares_futures() && began.elapsed() + pause > AFTER_ANSWER;
            if pending.is_empty() || is_over {
                pending.retrying = None;
                return;
            }
            if Arc::strong_count(&self.shared) == 1 {
                let since = *alone_since.get_or_insert_with(Instant::now);
                if since.elapsed() > AFTER_DROP {
                    let owed = pending.len();
                    tracing::error!(
                        owed,
                        "invalidations are lost: Redis did not come back in time"
                    );
                    return;
                }
            }
            pending.retrying = Some(Instant::now() + pause + LATE);
        }
    }

    /// Whether Redis knows of everything that was invalidated here; if it does not, it is told. While it is not, what it
    /// holds is not believed.
    pub(super) async fn caught_up(&self) -> bool {
        let missed = &self.shared.missed;
        if !missed.any.load(Ordering::SeqCst) {
            return true;
        }
        let failures = missed.failures.load(Ordering::SeqCst);
        let Some(_turn) = missed.turn().await else {
            return false;
        };
        if missed.failures.load(Ordering::SeqCst) != failures {
            return false;
        }
        let mut most = FIRST_BATCH;
        loop {
            let Some(part) = missed.pending().part(most) else {
                return true;
            };
            let carried_out = self.carry_out(&part).await;
            if let Err(error) = self.counted(Access::Write, carried_out) {
                missed.failures.fetch_add(1, Ordering::SeqCst);
                tracing::debug!(%error, "Redis does not take yet what it has missed");
                return false;
            }
            most = BATCH;
            let mut pending = missed.pending();
            pending.settle(part);
            let done = pending.is_empty();
            missed.any.store(!done, Ordering::SeqCst);
            if done {
                tracing::info!("Redis has caught up with what was invalidated while it was away");
                return true;
            }
        }
    }

    async fn carry_out(&self, part: &Part) -> Result<()> {
        match part {
            Part::Keys(keys) => {
                let keys: Vec<Key> = keys.iter().map(|(key, _)| key.clone()).collect();
                self.unlink(&keys).await.map(|_| ())
            }
            Part::Tags(names) => {
                let names: Vec<String> = names.iter().map(|(tag, _)| tag.clone()).collect();
                self.renew_tags(&names, tags::keys_of(&names)?).await
            }
            Part::Pattern(pattern, _) => {
                self.unlink_all_matching(pattern, &mut |_| {}).await.map(|_| ())
            }
            Part::More(hashes, _) => self.unlink_hashed(hashes).await,
            Part::All(_) => self.clear_all().await,
        }
    }
}
