//! A tier between this process's memory and Redis: a store near by that many processes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::Cache;
use super::format::Entry;
use super::read::Entries;
use super::stripes::{Seen, Stripes};
use super::tags::Versions;
use crate::platform::{self, BoxFuture, Instant, Local, MaybeSend, MaybeSync, unix_millis};
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

    /// The shortest time to live of a cache's entries with which this store is of use. A cache that is given a shorter one
    /// warns and does without the store. Default: zero.
    fn min_ttl(&self) -> Duration {
        Duration::ZERO
    }
}

/// How many values the store is to forget at once: a Worker has six connections.
const AT_ONCE: usize = 6;

/// The store, and for how long it is to hold something.
pub(super) struct Edge {
    store: Local<Arc<dyn EdgeStore>>,
    ttl: Duration,
    forgotten: Stripes,
}

/// What was read from Redis, to be held near by.
pub(super) struct Read {
    key: Key,
    stored: Bytes,
    seen: Seen,
    /// When the read was sent.
    at: Instant,
    fresh_until: Option<u64>,
}

impl Read {
    pub(super) fn new(key: &Key, stored: Bytes, seen: Seen, at: Instant, entry: &Entry) -> Self {
        Self { key: key.clone(), stored, seen, at, fresh_until: entry.fresh_until }
    }
}

impl Edge {
    /// `None`: the store holds nothing for so short a time.
    pub(super) fn new(store: Local<Arc<dyn EdgeStore>>, ttl: Duration) -> Option<Self> {
        let min = store.min_ttl();
        if ttl < min {
            tracing::warn!(?ttl, ?min, "the store at the edge is not used: give it a longer ttl");
            return None;
        }
        Some(Self { store, ttl, forgotten: Stripes::new() })
    }

    /// What has been forgotten up to now: the moment before something is read from Redis.
    pub(super) fn seen(&self, key: &Key) -> Seen {
        self.forgotten.seen(key.as_str())
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

    /// Holds what was read, for as long as `ttl` after that.
    async fn put(&self, read: Read) {
        let key = read.key.as_str();
        let mut left = self.ttl.saturating_sub(read.at.elapsed());
        if let Some(until) = read.fresh_until {
            left = left.min(Duration::from_millis(until.saturating_sub(unix_millis())));
        }
        let unchanged = || self.forgotten.seen(key) == read.seen;
        if left.is_zero() || !unchanged() {
            return;
        }
        if let Err(error) = self.store.put(key, read.stored, left).await {
            tracing::debug!(%error, "the store at the edge does not take a value");
        }
        // What was forgotten meanwhile may have come back by this.
        if !unchanged() {
            self.forget(key).await;
        }
    }

    async fn forget(&self, key: &str) {
        self.forgotten.touch(key);
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
        let moments = self.moments(keys);
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
                    if let (Some(l1), Some(moment)) = (&self.shared.l1, moments.get(at)) {
                        l1.put(&keys[at], &entry, *moment, None);
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

    /// Holds near by what was read from Redis.
    pub(super) fn hold_at_edge(&self, edge: &Arc<Edge>, read: Vec<Read>) {
        if read.is_empty() || edge.ttl.is_zero() {
            return;
        }
        let edge = Arc::clone(edge);
        self.in_background(platform::send(|| async move {
            join_all(read.into_iter().map(|read| edge.put(read))).await;
        }));
    }

    /// Forgets near by what has changed.
    pub(super) async fn forget_at_edge(&self, keys: &[impl AsRef<str>]) {
        if let Some(edge) = &self.shared.edge {
            for keys in keys.chunks(AT_ONCE) {
                join_all(keys.iter().map(|key| edge.forget(key.as_ref()))).await;
            }
        }
    }
}
