use serde::Serialize;

use super::LoadOptions;
use super::store_guards::{Acquired, HeldLease, OnContention};
use crate::cache::Cache;
use crate::cache::entry::{Entry, EntryOptions, Ttl};
use crate::cache::invalidate::Versions;
use crate::{Key, Result};

/// The right to store a value that is produced after the guard was taken: [`Cache::begin_store`].
///
/// Only one guard of an entry can store: the one that was taken last. An invalidation ends all of them. A guard that is
/// dropped is released in the background.
///
/// ```
/// use edgecask::{Client, Keyspace, cache::{Cache, Ttl}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let cache = Cache::new(Client::memory());
/// let key = Keyspace::new(["app", "report"])?.key(["1"])?;
/// if let Some(guard) = cache.begin_store(&key, Ttl::seconds(60)).await? {
///     let report = "made of what the database says now";
///     assert!(guard.store(report).await?);
/// }
/// let guard = cache.begin_store(&key, Ttl::seconds(60)).await?;
/// cache.delete(&key).await?;
/// if let Some(guard) = guard {
///     assert!(!guard.store("made before the deletion").await?);
/// }
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct StoreGuard {
    cache: Cache,
    key: Key,
    entry: EntryOptions,
    held: HeldLease,
    /// When it was taken, by the backlog's clock.
    began: u64,
}

/// What to do when another guard or load holds the right to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfHeld {
    TakeOver,
    Leave,
}

impl Cache {
    /// Takes the right to store a value that is produced from now on, even if another caller holds it. One script, and one
    /// for each tag, in one round trip. It is for values that no loader of [`Cache::get_or_load`] can return, such as
    /// one that arrives as a stream.
    ///
    /// `None` if Redis is away and the [tier](crate::cache::CacheOptions::tier) tolerates that.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the time to live is zero, or the cache is
    /// [`Form::Plain`](crate::cache::Form::Plain) and the options ask for more; the client's in the tier
    /// [`Tier::Critical`](crate::cache::Tier::Critical).
    pub async fn begin_store(
        &self,
        key: &Key,
        options: impl Into<EntryOptions>,
    ) -> Result<Option<StoreGuard>> {
        self.store_guard(key, options.into(), &Versions::new(), IfHeld::TakeOver).await
    }

    /// As [`Cache::begin_store`]. `None` too if another guard or load has the right.
    ///
    /// # Errors
    /// As for [`Cache::begin_store`].
    pub async fn try_begin_store(
        &self,
        key: &Key,
        options: impl Into<EntryOptions>,
    ) -> Result<Option<StoreGuard>> {
        self.store_guard(key, options.into(), &Versions::new(), IfHeld::Leave).await
    }

    /// Takes the right to store; the versions of tags that were read already are used again.
    pub(crate) async fn store_guard(
        &self,
        key: &Key,
        entry: EntryOptions,
        versions: &Versions,
        if_held: IfHeld,
    ) -> Result<Option<StoreGuard>> {
        let (options, on_contention) = match if_held {
            IfHeld::TakeOver => (LoadOptions::new(entry).refresh(), OnContention::Wait),
            IfHeld::Leave => (LoadOptions::new(entry), OnContention::Leave),
        };
        self.check(&options.entry)?;
        let (guards, background) = (&self.core.loader.guards, &self.scope.background);
        let began = self.core.backlog.now();
        let acquired = guards
            .begin::<()>(key, versions, &options, on_contention, &mut || {}, background)
            .await?;
        let (cache, key, entry) = (self.clone(), key.clone(), options.entry);
        Ok(match acquired {
            Acquired::Held(Some(held)) => Some(StoreGuard { cache, key, entry, held, began }),
            Acquired::Held(None) | Acquired::Value(..) | Acquired::Busy | Acquired::TimedOut(_) => {
                None
            }
        })
    }

    /// Takes the right to store if no other caller has it, and reads the entry under the key `beside` after that, in the same
    /// round trip: a caller that had the right before may have stored it. Neither its age nor its tags are checked, and one
    /// that cannot be decoded counts as absent.
    #[cfg(feature = "http-cache")]
    pub(crate) async fn store_guard_beside<T: serde::de::DeserializeOwned>(
        &self,
        key: &Key,
        beside: &Key,
        entry: EntryOptions,
        versions: &Versions,
    ) -> Result<Option<(StoreGuard, Option<T>)>> {
        self.check(&entry)?;
        let (guards, background) = (&self.core.loader.guards, &self.scope.background);
        let began = self.core.backlog.now();
        let acquired = guards.try_begin_beside(key, beside, versions, &entry, background).await?;
        let Some((held, stored)) = acquired else { return Ok(None) };
        let read = match stored {
            Some(stored) => guards.packer.unpack(beside, stored).await.ok(),
            None => None,
        };
        let read = read.and_then(|entry| entry.view().decode(beside).ok());
        let (cache, key) = (self.clone(), key.clone());
        Ok(Some((StoreGuard { cache, key, entry, held, began }, read)))
    }
}

impl StoreGuard {
    /// Stores a value; returns whether it was stored, which it is unless the entry was invalidated. One script, an MGET if
    /// it has tags, and a PUBLISH where there is a [bus](crate::cache::CacheOptions::bus), in one round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the value has no form in the codec; the client's in the tier
    /// [`Tier::Critical`](crate::cache::Tier::Critical).
    pub async fn store<T: Serialize + ?Sized>(self, value: &T) -> Result<bool> {
        let lifetime = self.entry.lifetime()?;
        let fresh_until = lifetime.fresh_until().filter(|_| !self.entry.stale_for().is_zero());
        self.store_entry(value, fresh_until, lifetime.kept).await
    }

    /// As [`StoreGuard::store`], with this time to live.
    #[cfg(any(feature = "cache_service", feature = "http-cache"))]
    pub(crate) async fn store_for<T: Serialize + ?Sized>(
        self,
        value: &T,
        ttl: Ttl,
    ) -> Result<bool> {
        self.store_entry(value, None, ttl).await
    }

    async fn store_entry<T: Serialize + ?Sized>(
        self,
        value: &T,
        fresh_until: Option<u64>,
        kept: Ttl,
    ) -> Result<bool> {
        let Self { cache, key, held, entry: _, began } = self;
        let guards = &cache.core.loader.guards;
        let codec = guards.packer.format().codec;
        let stored = codec.encode(&key, value).and_then(|payload| Ok((payload, kept.millis()?)));
        let (payload, millis) = match stored {
            Ok(stored) => stored,
            Err(error) => {
                guards.release(held).await;
                return Err(error);
            }
        };
        let entry = Entry { fresh_until, tags: held.tags, ..Entry::plain(codec, payload) };
        let keys = std::slice::from_ref(&key);
        let announcement = cache.core.bus.as_ref().and_then(|bus| bus.keys(keys));
        let stored = guards.store(&key, held.lease, entry, millis, announcement).await;
        // The copies in this process may be older.
        cache.core.invalidator.forget(keys);
        let is_stored = stored?.is_some();
        if is_stored {
            let (backlog, background) = (&cache.core.backlog, &cache.scope.background);
            backlog.supersede(keys, began);
            backlog.drain(background).await;
        }
        Ok(is_stored)
    }

    /// Runs `work` while the guard is held. The guard is renewed by one script each time that half of the
    /// [lease](crate::cache::CacheOptions::lease) has passed. It is for values that take longer to produce than a lease
    /// lasts.
    pub async fn while_held<T>(&self, work: impl Future<Output = T>) -> T {
        let leases = &self.cache.core.loader.guards.leases;
        leases.while_all_held(&[&self.held.lease], work).await
    }

    /// Releases the guard without storing, so that others do not wait for it. One script.
    pub async fn release(self) {
        self.cache.core.loader.guards.release(self.held).await;
    }
}

impl std::fmt::Debug for StoreGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreGuard").field("key", &self.key).finish_non_exhaustive()
    }
}
