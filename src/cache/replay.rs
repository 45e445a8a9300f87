//! Invalidations that Redis has missed: kept here while it is away, and carried out when it is back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outage::Access;
use super::pending::{Invalidation, Part, Pending};
use super::turn::{Turn, Turns};
use super::{Cache, tags};
use crate::command::keys::Cursor;
use crate::platform::{self, Instant};
use crate::{ErrorKind, Key, Result};

#[derive(Default)]
pub(super) struct Missed {
    any: AtomicBool,
    pending: Mutex<Pending>,
    /// Taken by who makes up for it.
    turns: Turns,
    /// How many turns ended with something left to do.
    unfinished: AtomicU64,
}

/// How many keys or tags go in the first step, while nobody knows whether Redis is back, and in the later ones.
const FIRST_BATCH: usize = 16;
const BATCH: usize = 500;
/// How many steps a call makes, one round trip each, before it leaves the others to the background.
const AWAITED: usize = 4;
/// The pauses of the retries in the background, and how much later than that they are heard of.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const LATE: Duration = Duration::from_secs(10);
/// For how long it is tried when the cache itself is gone, as at the end of a request.
const AFTER_DROP: Duration = Duration::from_secs(60);
/// For how long a Worker's request tries it. After its answer it has 30 s; then it is cut off, and the Worker's log says so.
const AFTER_ANSWER: Duration = Duration::from_secs(25);

/// How many steps a turn makes that no call waits for. A request of a Worker may make some 50 requests of its own: the
/// next one goes on.
fn steps_of_a_turn() -> usize {
    if platform::shares_futures() { usize::MAX } else { 20 }
}

/// What a turn came to.
#[derive(PartialEq)]
enum Reached {
    Everything,
    Something,
    Nothing,
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

    /// A part has been carried out; tells whether nothing is left.
    fn settle(&self, part: Part, next: Cursor) -> bool {
        let mut pending = self.pending();
        pending.settle(part, next);
        let done = pending.is_empty();
        self.any.store(!done, Ordering::SeqCst);
        done
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    /// How many invalidations are still owed to Redis: keys, tags and patterns. While it is not 0, what Redis holds is not
    /// believed here, but other processes may serve it.
    ///
    /// At the end of a request, [`Cache::catch_up`] tries once more.
    pub fn owed(&self) -> u64 {
        match self.shared.missed.any.load(Ordering::SeqCst) {
            true => self.shared.missed.pending().len() as u64,
            false => 0,
        }
    }

    /// Carries out what is [owed](Cache::owed) to Redis; tells whether nothing is left. It costs nothing if nothing is owed;
    /// else one round trip, or more if it succeeds: one for each 500 keys or tags, and for patterns and more than 10 000 keys
    /// those of [`Cache::delete_matching`]. In a Worker it makes 20 at the most, and the next request goes on.
    ///
    /// A read that has to ask Redis and a write that succeeded make the first four of those round trips on their own, and
    /// leave the others to the background. What is set after an outage stays, unless a pattern is owed that matches its
    /// key, or more than 10 000 keys are and its key is among them: then it may be deleted once.
    pub async fn catch_up(&self) -> bool {
        let missed = &self.shared.missed;
        if !missed.any.load(Ordering::SeqCst) {
            return true;
        }
        let Some(mut turn) = missed.turns.take().await else {
            return false;
        };
        self.make_up(&mut turn, steps_of_a_turn()).await == Reached::Everything
    }

    /// Keeps an invalidation that Redis has missed; tells whether there is room for it. It is tried again in the
    /// background, first after 100 ms, then ever more seldom, up to every 10 s: where there is a [hook](Cache::wait_until),
    /// it has the work.
    pub(super) fn miss(&self, invalidation: Invalidation) -> bool {
        let mut pending = self.shared.missed.pending();
        let kept = pending.add(invalidation, self.options().keyspace.as_ref());
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
            self.catch_up().await;
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
                    drop(pending);
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

    /// Whether Redis knows of everything that was invalidated here; if it does not, it is told, in a few round trips. While
    /// it does not know, what it holds is not believed.
    pub(super) async fn caught_up(&self) -> bool {
        let missed = &self.shared.missed;
        if !missed.any.load(Ordering::SeqCst) {
            return true;
        }
        let unfinished = missed.unfinished.load(Ordering::SeqCst);
        let turn = match missed.turns.try_take() {
            // Nobody waits for a walk through all keys.
            None if missed.pending().is_walking() => None,
            None => missed.turns.take().await,
            turn => turn,
        };
        let Some(mut turn) = turn else {
            return false;
        };
        // What the turn before came to is so for all who waited for it.
        if missed.unfinished.load(Ordering::SeqCst) != unfinished {
            return false;
        }
        let reached = self.make_up(&mut turn, AWAITED).await;
        drop(turn);
        if reached == Reached::Something {
            let cache = self.clone();
            self.in_background(platform::send(|| cache.go_on()));
        }
        reached == Reached::Everything
    }

    async fn go_on(self) {
        if let Some(mut turn) = self.shared.missed.turns.try_take() {
            self.make_up(&mut turn, steps_of_a_turn()).await;
        }
    }

    /// Makes up for what Redis has missed, in so many steps at the most.
    async fn make_up(&self, turn: &mut Turn<'_>, steps: usize) -> Reached {
        let missed = &self.shared.missed;
        let mut most = FIRST_BATCH;
        for _ in 0..steps {
            turn.renew();
            let part = missed.pending().part(most);
            let Some(part) = part else {
                return Reached::Everything;
            };
            let carried_out = self.carry_out(&part).await;
            let next = match self.counted(Access::Write, carried_out) {
                Ok(next) => next,
                Err(error) => {
                    missed.unfinished.fetch_add(1, Ordering::SeqCst);
                    if error.kind() != ErrorKind::BudgetSpent {
                        missed.pending().begin_again();
                    }
                    tracing::debug!(%error, "Redis does not take yet what it has missed");
                    return Reached::Nothing;
                }
            };
            most = BATCH;
            if missed.settle(part, next) {
                tracing::info!("Redis has caught up with what was invalidated while it was away");
                return Reached::Everything;
            }
        }
        missed.unfinished.fetch_add(1, Ordering::SeqCst);
        Reached::Something
    }

    /// Gives where a walk goes on.
    async fn carry_out(&self, part: &Part) -> Result<Cursor> {
        match part {
            Part::Keys(keys) => {
                let keys: Vec<Key> = keys.iter().map(|(key, _)| key.clone()).collect();
                self.unlink(&keys).await?;
            }
            Part::Tags(names) => {
                let names: Vec<String> = names.iter().map(|(tag, _)| tag.clone()).collect();
                self.renew_tags(&names, tags::keys_of(&names)?).await?;
            }
            Part::Page(walk) => return self.walk_on(walk).await,
        }
        Ok(Cursor::default())
    }
}
