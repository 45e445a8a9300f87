//! Invalidations that Redis has missed: kept here while it is away, and carried out when it is back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::outage::Access;
use super::{Cache, tags};
use crate::{Key, Pattern, Result, platform};

/// Something that Redis does not know to be out of date.
pub(super) enum Invalidation {
    Keys(Vec<Key>),
    Tags(Vec<String>),
    Matching(Pattern),
    All,
}

#[derive(Default)]
pub(super) struct Missed {
    any: AtomicBool,
    pending: Mutex<Pending>,
}

/// What has to be invalidated, each by when it was last missed.
#[derive(Default)]
struct Pending {
    clock: u64,
    keys: BTreeMap<Key, u64>,
    tags: BTreeMap<String, u64>,
    patterns: BTreeMap<Pattern, u64>,
    all: Option<u64>,
    /// Somebody is trying in the background.
    retrying: bool,
}

/// How many keys, tags and patterns are kept; what is more counts as everything.
const MOST: usize = 10_000;
/// How many keys are deleted at once.
const BATCH: usize = 500;

impl Pending {
    fn len(&self) -> usize {
        self.keys.len() + self.tags.len() + self.patterns.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0 && self.all.is_none()
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.tags.clear();
        self.patterns.clear();
    }
}

impl Missed {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was missed. `clearable`: everything can be cleared at once, when this becomes too much.
    fn add(&self, invalidation: Invalidation, clearable: bool) {
        let mut pending = self.pending();
        pending.clock += 1;
        let now = pending.clock;
        match invalidation {
            Invalidation::Keys(keys) => pending.keys.extend(keys.into_iter().map(|key| (key, now))),
            Invalidation::Tags(tags) => pending.tags.extend(tags.into_iter().map(|tag| (tag, now))),
            Invalidation::Matching(pattern) => drop(pending.patterns.insert(pattern, now)),
            Invalidation::All => pending.all = Some(now),
        }
        if pending.len() > MOST {
            if clearable {
                pending.clear();
                pending.all = Some(now);
            } else {
                while pending.keys.len() > MOST {
                    pending.keys.pop_first();
                }
                tracing::error!(
                    "more was invalidated while Redis is away than can be kept: give the cache a keyspace or a \
                     generation, so that it can be cleared"
                );
            }
        }
        self.any.store(true, Ordering::SeqCst);
    }

    /// What was missed up to this moment has been carried out.
    fn settle(&self, moment: u64) {
        let mut pending = self.pending();
        pending.keys.retain(|_, missed| *missed > moment);
        pending.tags.retain(|_, missed| *missed > moment);
        pending.patterns.retain(|_, missed| *missed > moment);
        pending.all.take_if(|missed| *missed <= moment);
        self.any.store(!pending.is_empty(), Ordering::SeqCst);
    }
}

impl Cache {
    /// Keeps an invalidation that Redis has missed. Where work outlives the call, it is tried again in the background,
    /// first after 100 ms, then ever more seldom, up to every 10 s.
    pub(super) fn miss(&self, invalidation: Invalidation) {
        let options = self.options();
        let clearable = options.generation.is_some() || options.keyspace.is_some();
        self.shared.missed.add(invalidation, clearable);
        let retrying = std::mem::replace(&mut self.shared.missed.pending().retrying, true);
        if retrying || !platform::shares_futures() {
            return;
        }
        let (client, shared) = (self.client.clone(), Arc::downgrade(&self.shared));
        let flights = Arc::clone(&self.flights);
        platform::spawn(Box::pin(async move {
            let mut wait = Duration::from_millis(100);
            loop {
                platform::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(10));
                let Some(shared) = shared.upgrade() else { return };
                let (client, flights) = (client.clone(), Arc::clone(&flights));
                let cache = Self { client, shared, flights, wait_until: None };
                if cache.replay().await {
                    cache.shared.missed.pending().retrying = false;
                    return;
                }
            }
        }));
    }

    /// Whether Redis knows of everything that was invalidated here; if it does not, it is told. While it is not, what it
    /// holds is not believed.
    pub(super) async fn caught_up(&self) -> bool {
        !self.shared.missed.any.load(Ordering::SeqCst) || self.replay().await
    }

    /// Carries out what was missed; tells whether nothing is left.
    async fn replay(&self) -> bool {
        let (moment, keys, names, patterns, all) = {
            let pending = self.shared.missed.pending();
            let keys: Vec<Key> = pending.keys.keys().cloned().collect();
            let tags: Vec<String> = pending.tags.keys().cloned().collect();
            let patterns: Vec<Pattern> = pending.patterns.keys().cloned().collect();
            (pending.clock, keys, tags, patterns, pending.all.is_some())
        };
        let count = keys.len() + names.len() + patterns.len();
        let replayed = async {
            for keys in keys.chunks(BATCH) {
                self.unlink(keys).await?;
            }
            for names in names.chunks(BATCH) {
                self.renew_tags(names, tags::keys_of(names)?).await?;
            }
            for pattern in &patterns {
                self.unlink_all_matching(pattern, &mut |_| {}).await?;
            }
            if all {
                self.clear_all().await?;
            }
            Result::Ok(())
        };
        let replayed = self.counted(Access::Write, replayed.await);
        if let Err(error) = &replayed {
            tracing::debug!(%error, "Redis does not take yet what it has missed");
            return false;
        }
        self.shared.missed.settle(moment);
        tracing::info!(
            count,
            all,
            "Redis has caught up with what was invalidated while it was away"
        );
        !self.shared.missed.any.load(Ordering::SeqCst)
    }
}
