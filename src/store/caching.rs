//! The caching decorator: reads go through the cache, writes go to the backing store and invalidate.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};

use super::{MemoryStore, Record, RecordId, Store};
use crate::cache::{
    Cache, CacheOptions, CacheStats, Form, Health, L1Options, LoadOptions, Tier, Ttl,
};
use crate::client::Client;
use crate::platform::{self, BoxFuture, Local, MaybeSend, MaybeSync};
use crate::{BoxError, Error, Key, Keyspace, Result};

/// The object-safe form of [`Store`], with this crate's errors.
trait DynStore<R: Record>: MaybeSend + MaybeSync {
    fn get<'a>(&'a self, id: &'a R::Id) -> BoxFuture<'a, Result<Option<R>>>;
    fn set<'a>(&'a self, record: &'a R) -> BoxFuture<'a, Result<()>>;
    fn delete<'a>(&'a self, id: &'a R::Id) -> BoxFuture<'a, Result<bool>>;
}

impl<R: Record, S: Store<R>> DynStore<R> for S {
    fn get<'a>(&'a self, id: &'a R::Id) -> BoxFuture<'a, Result<Option<R>>> {
        platform::send(|| async move { Store::get(self, id).await.map_err(Error::store) })
    }

    fn set<'a>(&'a self, record: &'a R) -> BoxFuture<'a, Result<()>> {
        platform::send(|| async move { Store::set(self, record).await.map_err(Error::store) })
    }

    fn delete<'a>(&'a self, id: &'a R::Id) -> BoxFuture<'a, Result<bool>> {
        platform::send(|| async move { Store::delete(self, id).await.map_err(Error::store) })
    }
}

/// What a write does to the cached record, after it has changed the backing store (the three patterns of multi-instance
/// caching).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnWrite {
    /// Deletes it; the next read loads the new one. Pattern 1, which fits most stores.
    #[default]
    Invalidate,
    /// Stores the new one at once, so that the next read is a hit. Pattern 2. After two writes at the same time, the cache
    /// may hold the one that lost in the backing store, until it expires.
    Update,
    /// Deletes it, and announces that to the first tiers of other processes on this channel; see [`StoreConfig::l1`] and
    /// [`CachingStore::follow_invalidations`]. Pattern 3.
    Publish(Cow<'static, str>),
}

/// The settings of a caching store.
///
/// | setting | default |
/// |---|---|
/// | [`backing`](Self::backing) | an empty [`MemoryStore`] |
/// | [`client`](Self::client) | none: nothing is cached |
/// | [`ttl`](Self::ttl) | 300 s |
/// | [`negative_ttl`](Self::negative_ttl) | the component's |
/// | [`tier`](Self::tier) | [`Tier::Important`] |
/// | [`on_write`](Self::on_write) | [`OnWrite::Invalidate`] |
/// | [`l1`](Self::l1) | none |
///
/// ```
/// use edgecask::{Client, cache::Ttl, store::{LlmPolicy, MemoryStore, StoreConfig}};
///
/// let config = StoreConfig::new()
///     .backing(MemoryStore::from_records([LlmPolicy::new("acme")]))
///     .client(Client::memory())
///     .ttl(Ttl::seconds(60));
/// ```
pub struct StoreConfig<R: Record> {
    backing: Option<Local<Arc<dyn DynStore<R>>>>,
    client: Option<Client>,
    ttl: Ttl,
    negative_ttl: Option<Option<Ttl>>,
    tier: Tier,
    on_write: OnWrite,
    l1: Option<L1Options>,
}

impl<R: Record> StoreConfig<R> {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            backing: None,
            client: None,
            ttl: Ttl::seconds(300),
            negative_ttl: None,
            tier: Tier::default(),
            on_write: OnWrite::default(),
            l1: None,
        }
    }

    /// The backing store, which is the source of truth.
    #[must_use]
    pub fn backing(mut self, store: impl Store<R>) -> Self {
        self.backing = Some(Local::new(Arc::new(store)));
        self
    }

    /// The client of the Redis that caches the records.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// How long a record is cached.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// How long the absence of a record is cached, as `null`. `None`: not at all.
    #[must_use]
    pub fn negative_ttl(mut self, ttl: Option<Ttl>) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// How the store behaves when the cache is away.
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// What a write does to the cached record.
    #[must_use]
    pub fn on_write(mut self, what: OnWrite) -> Self {
        self.on_write = what;
        self
    }

    /// Keeps records in this process's memory as well, for a short time. A write of another process is seen here after that
    /// time, or at once with [`OnWrite::Publish`].
    #[must_use]
    pub fn l1(mut self, l1: L1Options) -> Self {
        self.l1 = Some(l1);
        self
    }
}

impl<R: Record> Default for StoreConfig<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Record> fmt::Debug for StoreConfig<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("ttl", &self.ttl)
            .field("tier", &self.tier)
            .field("cached", &self.client.is_some())
            .finish_non_exhaustive()
    }
}

/// A store with a cache in front: read-through, write to the backing store first and then invalidate.
///
/// - A read finds the record in the cache (one GET), or loads it from the backing store and caches it.
/// - A write goes to the backing store; then the cached record is deleted, and the next read loads the new one. A read that
///   began before the write cannot store the old record.
/// - When the cache is away, reads and writes go to the backing store alone, and one warning is logged for the outage.
///   Records that are written during the outage are deleted from the cache when it is back. Until then this store serves
///   nothing from the cache, and [`CachingStore::owed`] returns how many are left. In the tier [`Tier::Critical`] reads and
///   writes fail instead.
#[derive(Clone)]
pub struct CachingStore<R: Record> {
    backing: Local<Arc<dyn DynStore<R>>>,
    cache: Option<Cache>,
    keyspace: Keyspace,
    options: LoadOptions,
    on_write: OnWrite,
}

impl<R: Record> CachingStore<R> {
    /// A store whose records are cached under this keyspace. `negative_ttl` is the default for a config that does not set
    /// one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a time to live is zero.
    pub fn new(
        config: StoreConfig<R>,
        keyspace: Keyspace,
        negative_ttl: Option<Ttl>,
    ) -> Result<Self> {
        let negative_ttl = config.negative_ttl.unwrap_or(negative_ttl);
        for ttl in [Some(config.ttl), negative_ttl].into_iter().flatten() {
            ttl.millis()?;
        }
        let mut options =
            CacheOptions::new().tier(config.tier).form(Form::Plain).keyspace(keyspace.clone());
        if let Some(l1) = config.l1 {
            options = options.l1(l1);
        }
        if let OnWrite::Publish(channel) = &config.on_write {
            options = options.bus(channel.as_ref());
        }
        Ok(Self {
            backing: config
                .backing
                .unwrap_or_else(|| Local::new(Arc::new(MemoryStore::<R>::new()))),
            cache: config.client.map(|client| Cache::with_options(client, options)),
            keyspace,
            options: LoadOptions::new(config.ttl).negative_ttl(negative_ttl),
            on_write: config.on_write,
        })
    }

    /// The key that a record is cached under.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a part of the id is empty or too long.
    pub fn key(&self, id: &R::Id) -> Result<Key> {
        self.keyspace.key(id.parts())
    }

    /// The record, or `None` if there is none. A hit is one command.
    ///
    /// # Errors
    /// The backing store's; the cache's in the tier [`Tier::Critical`].
    pub async fn get(&self, id: &R::Id) -> Result<Option<R>> {
        let key = self.key(id)?;
        let Some(cache) = &self.cache else {
            return self.backing.get(id).await;
        };
        cache.get_or_load(&key, self.options.clone(), || self.backing.get(id)).await
    }

    /// As [`CachingStore::get`], for a record that is read often: with a [first tier](StoreConfig::l1), a hit decodes and
    /// copies nothing.
    ///
    /// # Errors
    /// As for [`CachingStore::get`].
    pub async fn get_shared(&self, id: &R::Id) -> Result<Option<Arc<R>>> {
        let key = self.key(id)?;
        let load = || async { Ok::<_, Error>(self.backing.get(id).await?.map(Arc::new)) };
        let Some(cache) = &self.cache else {
            return load().await;
        };
        let record: Arc<Option<Arc<R>>> =
            cache.get_or_load_shared(&key, self.options.clone(), load).await?;
        Ok((*record).clone())
    }

    /// Many records, in the order of the ids. The cache is read in one round trip. The backing store is asked for each
    /// missing record, concurrently.
    ///
    /// # Errors
    /// As for [`CachingStore::get`].
    pub async fn get_many(&self, ids: &[R::Id]) -> Result<Vec<Option<R>>> {
        let keys = ids.iter().map(|id| self.key(id)).collect::<Result<Vec<_>>>()?;
        let Some(cache) = &self.cache else {
            let loads = ids.iter().map(|id| self.backing.get(id));
            return join_all(loads).await.into_iter().collect();
        };
        let id_of: HashMap<&Key, &R::Id> = keys.iter().zip(ids).collect();
        let load = |missing: Vec<Key>| {
            let loads = missing.into_iter().map(|key| {
                let record = id_of.get(&key).map(|id| self.backing.get(id));
                async move {
                    match record {
                        Some(record) => record.await.map(|record| (key, record)),
                        None => Ok((key, None)),
                    }
                }
            });
            try_join_all(loads.collect::<Vec<_>>())
        };
        let found = cache.get_or_load_many(&keys, self.options.clone(), load).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned().flatten()).collect())
    }

    /// Writes a record to the backing store, then deletes the cached one, or does what
    /// [`on_write`](StoreConfig::on_write) says. Two commands, one round trip.
    ///
    /// # Errors
    /// The backing store's; the cache's in the tier [`Tier::Critical`], after the record was written.
    pub async fn set(&self, record: &R) -> Result<()> {
        let id = record.id();
        self.key(&id)?;
        let written = self.backing.set(record).await;
        if let (Ok(()), Some(cache), OnWrite::Update) = (&written, &self.cache, &self.on_write) {
            cache.set(&self.key(&id)?, record, self.options.entry.clone()).await?;
            return Ok(());
        }
        // Also after an error, because the write may have taken place.
        let invalidated = self.invalidate(&id).await;
        written.and(invalidated)
    }

    /// Deletes a record from the backing store, then from the cache; returns whether it was there. Two commands, one
    /// round trip.
    ///
    /// # Errors
    /// As for [`CachingStore::set`].
    pub async fn delete(&self, id: &R::Id) -> Result<bool> {
        self.key(id)?;
        let deleted = self.backing.delete(id).await;
        let invalidated = self.invalidate(id).await;
        deleted.and_then(|deleted| invalidated.map(|()| deleted))
    }

    /// Deletes the cached record. Call it after a write that bypassed this store.
    ///
    /// # Errors
    /// The cache's in the tier [`Tier::Critical`].
    pub async fn invalidate(&self, id: &R::Id) -> Result<()> {
        let key = self.key(id)?;
        if let Some(cache) = &self.cache {
            cache.delete(&key).await?;
        }
        Ok(())
    }

    /// How many invalidations the cache still owes to Redis; see [`Cache::owed`].
    pub fn owed(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::owed)
    }

    /// Carries out the owed invalidations; returns whether nothing is left. See [`Cache::catch_up`].
    pub async fn catch_up(&self) -> bool {
        match &self.cache {
            Some(cache) => cache.catch_up().await,
            None => true,
        }
    }

    /// Listens to the writes of other processes, with [`OnWrite::Publish`]; see [`Cache::follow_invalidations`]. It runs
    /// until it fails or is dropped: `tokio::spawn` it.
    ///
    /// # Errors
    /// As for [`Cache::follow_invalidations`]; [`ErrorKind::Config`](crate::ErrorKind::Config) without a cache.
    pub async fn follow_invalidations(&self) -> Result<()> {
        match &self.cache {
            Some(cache) => cache.follow_invalidations().await,
            None => Err(Error::new(
                crate::ErrorKind::Config,
                "this store has no cache: set StoreConfig::client",
            )),
        }
    }

    /// Checks whether the cache answers. It does not fail: it reports errors.
    pub async fn health(&self) -> Health {
        match &self.cache {
            Some(cache) => cache.health().await,
            None => Health::without_cache(),
        }
    }

    /// The statistics of this store's cache. All zero if there is none.
    pub fn stats(&self) -> CacheStats {
        self.cache.as_ref().map(Cache::stats).unwrap_or_default()
    }
}

impl<R: Record> Store<R> for CachingStore<R> {
    async fn get(&self, id: &R::Id) -> Result<Option<R>, BoxError> {
        Ok(self.get(id).await?)
    }

    async fn set(&self, record: &R) -> Result<(), BoxError> {
        Ok(self.set(record).await?)
    }

    async fn delete(&self, id: &R::Id) -> Result<bool, BoxError> {
        Ok(self.delete(id).await?)
    }
}

impl<R: Record> fmt::Debug for CachingStore<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingStore")
            .field("keyspace", &self.keyspace)
            .field("cache", &self.cache)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
