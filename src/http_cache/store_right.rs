//! The right to store the response to a request: a lease that one request for a response holds at a time.
//!
//! While only one response of a URL is known, the lease is that of the index. Once `Vary` is known, each variant has a lease
//! of its own: requests for different variants neither wait for each other nor keep each other from storing. The index
//! is then read again and written under its own lease, which is held only for that.

use std::time::Duration;

use http::HeaderMap;

use super::cache_key::CacheKey;
use super::core::Core;
use super::index::Index;
use super::lookup::{LookupResult, Tiers};
use crate::cache::{IfHeld, StoreGuard, Versions};
use crate::platform;

/// The right to store a response. It ends by an invalidation, or if another request takes it over.
pub(super) struct StoreRight {
    guard: StoreGuard,
    /// For a lease of one variant: the versions of the tags when it was taken.
    variant: Option<Versions>,
    /// Whether the index changed between the lookup and the moment when the right was taken.
    is_late: bool,
}

impl StoreRight {
    /// Runs `work`, and holds the right meanwhile.
    pub(super) async fn while_held<T>(&self, work: impl Future<Output = T>) -> T {
        self.guard.while_held(work).await
    }

    /// Whether a request that had the right before may have stored a response since the lookup.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Gives the right up. One script.
    pub(super) async fn release(self) {
        self.guard.release().await;
    }
}

impl Core {
    /// Takes the right to store the response to a request that is sent from now on. One script, and for
    /// [`IfHeld::Leave`] a GET of the index in the same round trip.
    pub(super) async fn begin_store(
        &self,
        cache_key: &CacheKey,
        lookup: &LookupResult,
        request: &HeaderMap,
        if_held: IfHeld,
    ) -> Option<StoreRight> {
        if !lookup.reachable {
            return None;
        }
        // An invalidation is noticed by the versions of the tags, so all of them have to be known.
        let versions_known = lookup.versions.values().all(Option::is_some);
        let variant = lookup.index.newest_vary_key(request);
        let lease = match !variant.is_empty() && versions_known && !lookup.versions.is_empty() {
            true => cache_key.body(&format!("variant-{variant}")),
            false => None,
        };
        let key = lease.as_ref().unwrap_or(&cache_key.index);
        let entry = cache_key.entry.clone();
        let (cache, index, versions) = (&self.cache, &cache_key.index, &lookup.versions);
        let taken = match if_held {
            IfHeld::Leave => cache.store_guard_beside::<Index>(key, index, entry, versions).await,
            IfHeld::TakeOver => {
                let guard = cache.store_guard(key, entry, versions, if_held).await;
                guard.map(|guard| Some((guard?, None)))
            }
        };
        let (guard, stored) = taken.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be written");
            None
        })?;
        let is_late = stored.is_some_and(|stored| !stored.is_same(&lookup.index));
        Some(StoreRight { guard, variant: lease.map(|_| versions.clone()), is_late })
    }

    /// Changes the index of a URL, and gives the right up. `change` returns false if nothing is to be stored. Returns whether the
    /// index was stored. It costs one script and a check of the index's tags; and a lease, a lookup and a release more if the right
    /// is that of a variant.
    pub(super) async fn commit(
        &self,
        cache_key: &CacheKey,
        mut index: Index,
        right: StoreRight,
        change: impl Fn(&mut Index) -> bool,
    ) -> bool {
        let StoreRight { guard, variant, .. } = right;
        let Some(versions) = variant else {
            if !change(&mut index) {
                guard.release().await;
                return false;
            }
            return self.store_index(&index, guard).await;
        };
        let stored = self.commit_variant(cache_key, &index, &versions, change).await;
        guard.release().await;
        stored
    }

    /// Changes the current index, under its own lease. It waits for another request that does the same.
    async fn commit_variant(
        &self,
        cache_key: &CacheKey,
        before: &Index,
        versions: &Versions,
        change: impl Fn(&mut Index) -> bool,
    ) -> bool {
        const TRIES: u32 = 8;
        for turn in 1..=TRIES {
            // A request that does not know of `Vary` yet holds the lease for longer. At the last try, this one takes it over.
            let if_held = if turn == TRIES { IfHeld::TakeOver } else { IfHeld::Leave };
            let entry = cache_key.entry.clone();
            let guard = self.cache.store_guard(&cache_key.index, entry, versions, if_held).await;
            let Some(guard) = guard.unwrap_or_default() else {
                platform::sleep(Duration::from_millis(5) * turn).await;
                continue;
            };
            let mut now = self.look_up(cache_key, Tiers::Shared).await;
            let invalidated = now.index.generation != before.generation
                || versions.iter().any(|(tag, version)| {
                    now.versions.get(tag).is_some_and(|current| current != version)
                });
            if invalidated || !change(&mut now.index) {
                guard.release().await;
                return false;
            }
            if self.store_index(&now.index, guard).await {
                return true;
            }
        }
        false
    }

    /// Stores an index. Returns whether it was stored.
    async fn store_index(&self, index: &Index, guard: StoreGuard) -> bool {
        let retention = Duration::from_millis(index.retention(self.options.now()));
        guard.store_for(index, retention.into()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response cannot be stored");
            false
        })
    }
}
