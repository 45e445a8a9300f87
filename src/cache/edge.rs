//! A tier between this process's memory and Redis: a store near by that many processes share.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::Cache;
use super::format::Entry;
use super::l1::L1;
use super::read::Entries;
use super::tags::Versions;
use crate::platform::{self, BoxFuture, Local, MaybeSend, MaybeSync, unix_millis};
use crate::{Key, Result};

/// A store near by, for [`CacheOptions::edge`](super::CacheOptions::edge): in a Worker the data center's own,
/// `WorkerCache`, else one of yours.
///
/// It holds what stands in Redis, as it stands there, and may lose it at any time. An error counts as nothing found. On
/// wasm32, [`platform::send`] makes such futures of those that JavaScript gives.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use edgecask::cache::{Cache, CacheOptions, EdgeStore};
/// use edgecask::{Client, Result, platform::BoxFuture};
///
/// #[derive(Debug, Default)]
/// struct Shelf(Mutex<HashMap<String, Bytes>>);
///
/// impl EdgeStore for Shelf {
///     fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
///         Box::pin(async { Ok(self.0.lock().unwrap().get(key).cloned()) })
///     }
///
///     fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
///         let _ = ttl; // a real one forgets it then
///         Box::pin(async { Ok(drop(self.0.lock().unwrap().insert(key.to_owned(), stored))) })
///     }
///
///     fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
///         Box::pin(async { Ok(drop(self.0.lock().unwrap().remove(key))) })
///     }
/// }
///
/// let options = CacheOptions::new().edge(Shelf::default(), Duration::from_secs(5));
/// let cache = Cache::with_options(Client::memory(), options);
/// ```
pub trait EdgeStore: fmt::Debug + MaybeSend + MaybeSync + 'static {
    /// What is held under this key.
    ///
    /// # Errors
    /// Any; it is logged.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>>;

    /// Holds this for so long at the most.
    ///
    /// # Errors
    /// Any; it is logged.
    fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>>;

    /// Forgets this key.
    ///
    /// # Errors
    /// Any; it is logged.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// The store, and for how long it is to hold something.
#[derive(Debug)]
pub(super) struct Edge {
    store: Local<Arc<dyn EdgeStore>>,
    ttl: Duration,
    /// How often anything was forgotten: what was read before the last time is not put there.
    generation: AtomicU64,
}

impl Edge {
    pub(super) fn new(store: Local<Arc<dyn EdgeStore>>, ttl: Duration) -> Self {
        Self { store, ttl, generation: AtomicU64::new(0) }
    }

    /// The moment before something is read from Redis.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    async fn get(&self, key: &Key) -> Option<Bytes> {
        match self.store.get(key.as_str()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::debug!(%error, "the store at the edge does not answer");
                None
            }
        }
    }

    /// Holds what was read in this generation.
    async fn put(&self, key: &str, stored: Bytes, ttl: Duration, generation: u64) {
        if self.generation() != generation {
            return;
        }
        if let Err(error) = self.store.put(key, stored, ttl).await {
            tracing::debug!(%error, "the store at the edge does not take a value");
        }
        // What was forgotten meanwhile may have come back by this.
        if self.generation() != generation {
            self.forget(key).await;
        }
    }

    async fn forget(&self, key: &str) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        if let Err(error) = self.store.delete(key).await {
            tracing::warn!(%error, "the store at the edge may serve an old value until it expires");
        }
    }
}

impl Cache {
    /// As [`Cache::read_far`]; what is held near by is not asked of Redis, only the versions of its tags are.
    pub(super) async fn read_at_edge(
        &self,
        edge: &Edge,
        keys: &[Key],
        tags: &[String],
    ) -> Result<(Entries, Versions)> {
        let generation = self.shared.l1.as_ref().map_or(0, L1::generation);
        let held = self.held_at_edge(edge, keys).await;
        let mut entries: Entries = keys.iter().map(|_| Ok(None)).collect();
        let mut versions = Versions::new();
        let far: Vec<usize> = (0..keys.len()).filter(|at| held[*at].is_none()).collect();
        self.read_into(&mut entries, &mut versions, keys, &far, tags).await?;

        let tags = held.iter().flatten().flat_map(|entry| entry.tags.keys());
        self.learn_versions(tags.chain(&self.options().generation).collect(), &mut versions)
            .await?;
        let mut outdated = Vec::new();
        for (at, entry) in held.into_iter().enumerate() {
            match entry {
                Some(entry) if self.counts(&entry, &versions) => {
                    if let Some(l1) = &self.shared.l1 {
                        l1.put(&keys[at], &entry, generation, None);
                    }
                    self.shared.counters.edge_hit();
                    entries[at] = Ok(Some(entry));
                }
                Some(_) => outdated.push(at),
                None => {}
            }
        }
        self.read_into(&mut entries, &mut versions, keys, &outdated, &[]).await?;
        Ok((entries, versions))
    }

    /// Reads some of the keys from Redis.
    async fn read_into(
        &self,
        entries: &mut Entries,
        versions: &mut Versions,
        keys: &[Key],
        places: &[usize],
        tags: &[String],
    ) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = places.iter().map(|at| keys[*at].clone()).collect();
        let (read, read_versions) = self.read_far(&keys, tags).await?;
        for (at, entry) in places.iter().zip(read) {
            entries[*at] = entry;
        }
        versions.extend(read_versions);
        Ok(())
    }

    /// What is held and fresh. What is not readable there is asked of Redis.
    async fn held_at_edge(&self, edge: &Edge, keys: &[Key]) -> Vec<Option<Entry>> {
        let held = join_all(keys.iter().map(|key| edge.get(key))).await;
        let mut entries = Vec::with_capacity(keys.len());
        for (key, held) in keys.iter().zip(held) {
            let entry = match held {
                Some(held) => self.options().format.unpack(key, held).await.ok(),
                None => None,
            };
            entries.push(entry.filter(|entry| entry.view().stale_for(unix_millis()).is_none()));
        }
        entries
    }

    /// Holds near by what was read from Redis in this generation.
    pub(super) fn hold_at_edge(
        &self,
        edge: &Arc<Edge>,
        generation: u64,
        read: Vec<(Key, Bytes, Option<u64>)>,
    ) {
        let now = unix_millis();
        let fits = |(key, stored, fresh_until): (Key, Bytes, Option<u64>)| {
            let fresh = fresh_until.map(|until| Duration::from_millis(until.saturating_sub(now)));
            let ttl = fresh.map_or(edge.ttl, |fresh| fresh.min(edge.ttl));
            (!ttl.is_zero()).then_some((key, stored, ttl))
        };
        let read: Vec<_> = read.into_iter().filter_map(fits).collect();
        if read.is_empty() {
            return;
        }
        let edge = Arc::clone(edge);
        self.in_background(platform::send(|| async move {
            let puts = read.into_iter().map(|(key, stored, ttl)| {
                let edge = &edge;
                async move { edge.put(key.as_str(), stored, ttl, generation).await }
            });
            join_all(puts).await;
        }));
    }

    /// Forgets near by what has changed.
    pub(super) async fn forget_at_edge(&self, keys: &[impl AsRef<str>]) {
        if let Some(edge) = &self.shared.edge {
            join_all(keys.iter().map(|key| edge.forget(key.as_ref()))).await;
        }
    }
}
