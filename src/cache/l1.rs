//! The first tier: values in this process's memory, for a short time.

use std::fmt;
use std::hash::RandomState;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle};

use crate::Key;
use crate::platform::Instant;

/// The settings of the first tier, in this process's memory, before Redis.
///
/// A value in it is served without asking Redis, so it may be stale: for as long as [`ttl`](Self::ttl) at the most, and
/// on hosts that [follow](super::Cache::follow_invalidations) the others' invalidations only as long as a message takes.
/// Invalidations through this same [`Cache`](super::Cache) show at once.
///
/// | setting | default |
/// |---|---|
/// | [`bytes`](Self::bytes) | 16 MB |
/// | [`ttl`](Self::ttl) | 5 s |
///
/// ```
/// use edgecask::cache::{CacheOptions, L1Options};
/// use std::time::Duration;
///
/// let options = CacheOptions::new().l1(L1Options::new().bytes(64 << 20).ttl(Duration::from_secs(1)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct L1Options {
    bytes: u64,
    ttl: Duration,
}

impl L1Options {
    /// The defaults.
    pub fn new() -> Self {
        Self { bytes: 16 << 20, ttl: Duration::from_secs(5) }
    }

    /// How much memory keys and values may take. What is used least goes first.
    #[must_use]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a value is served without asking Redis.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }
}

impl Default for L1Options {
    fn default() -> Self {
        Self::new()
    }
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    expires_at: Instant,
}

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<String, Entry> for Weighter {
    fn weight(&self, key: &String, entry: &Entry) -> u64 {
        // What the map itself takes for an entry, about.
        const OVERHEAD: u64 = 96;
        key.len() as u64 + entry.value.len() as u64 + OVERHEAD
    }
}

type Entries = QuickCache<String, Entry, Weighter, RandomState, DefaultLifecycle<String, Entry>>;

pub(super) struct L1 {
    entries: Entries,
    ttl: Duration,
    /// How often anything was invalidated: a value that was read before the last time is not kept.
    generation: AtomicU64,
}

impl L1 {
    pub(super) fn new(options: L1Options) -> Self {
        let items = usize::try_from(options.bytes / 512).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            entries: QuickCache::with(
                items,
                options.bytes,
                Weighter,
                RandomState::new(),
                DefaultLifecycle::default(),
            ),
            ttl: options.ttl,
            generation: AtomicU64::new(0),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        let entry = self.entries.get(key.as_str())?;
        if entry.expires_at > Instant::now() {
            return Some(entry.value);
        }
        self.entries.remove(key.as_str());
        None
    }

    /// The moment before a value is read from Redis.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Keeps a value that was read in this generation, for `ttl` at the most.
    pub(super) fn put(&self, key: &Key, value: Bytes, generation: u64, ttl: Option<Duration>) {
        let ttl = ttl.map_or(self.ttl, |ttl| ttl.min(self.ttl));
        if let Some(expires_at) = Instant::now().checked_add(ttl)
            && self.generation() == generation
        {
            self.entries.insert(key.as_str().to_owned(), Entry { value, expires_at });
            // An invalidation in between may have come too early for this entry.
            if self.generation() != generation {
                self.entries.remove(key.as_str());
            }
        }
    }

    pub(super) fn remove(&self, key: &str) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.entries.remove(key);
    }

    pub(super) fn clear(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.entries.clear();
    }
}

impl fmt::Debug for L1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L1")
            .field("entries", &self.entries.len())
            .field("bytes", &self.entries.weight())
            .finish_non_exhaustive()
    }
}
