//! The first tier: values in this process's memory, for a short time.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::DefaultHashBuilder;
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle, EntryAction};
use serde::de::DeserializeOwned;

use super::epochs::{Epoch, Epochs};
use crate::Key;
use crate::cache::entry::{Codec, Entry, View};
use crate::platform::{Instant, MaybeSend, MaybeSync, SharedValue, unix_millis};

/// The settings of the first tier, in this process's memory, before Redis.
///
/// A value in it is served without asking Redis, so it may be stale: for as long as [`ttl`](Self::ttl) at the most, counted
/// from when the read of it was sent. With a [store at the edge](crate::cache::CacheOptions::edge) behind it, that one's time comes
/// on top. On hosts that [follow](crate::cache::Cache::follow_invalidations) the others' invalidations, it is stale only as long as a
/// message takes.
/// Invalidations through this same [`Cache`](crate::cache::Cache) show at once.
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

    /// How much memory keys and values may take. A value that is [shared](crate::cache::Cache::get_shared) counts twice: in
    /// its form in the codec, and as itself. What is used least goes first.
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

/// An entry in memory, and until when it is served.
pub(crate) struct L1Entry {
    codec: Codec,
    payload: Arc<[u8]>,
    fresh_until: Option<u64>,
    load_ms: Option<u64>,
    tags: Box<[String]>,
    expires_at: Instant,
    /// The epoch of all tags in which it was read.
    tags_epoch: u64,
    /// The value, once somebody has asked for it to be shared.
    shared: Option<SharedValue>,
}

impl L1Entry {
    pub(crate) fn view(&self) -> View<'_> {
        let Self { codec, fresh_until, load_ms, .. } = *self;
        View { codec, payload: &self.payload, fresh_until, load_ms }
    }

    /// How long ago its time in this tier was over.
    pub(crate) fn expired_for(&self) -> Duration {
        Instant::now().saturating_duration_since(self.expires_at)
    }

    /// The same entry with its value.
    fn with_shared(&self, shared: SharedValue) -> Self {
        Self {
            codec: self.codec,
            payload: Arc::clone(&self.payload),
            fresh_until: self.fresh_until,
            load_ms: self.load_ms,
            tags: self.tags.clone(),
            expires_at: self.expires_at,
            tags_epoch: self.tags_epoch,
            shared: Some(shared),
        }
    }
}

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<String, Arc<L1Entry>> for Weighter {
    fn weight(&self, key: &String, entry: &Arc<L1Entry>) -> u64 {
        // What the map itself and the entry take, about.
        const OVERHEAD: u64 = 260;
        const TAG: u64 = 40;
        let tags = entry.tags.iter().map(|tag| TAG + tag.len() as u64).sum::<u64>();
        let payload = entry.payload.len() as u64;
        // The size of a value is not known: about as much as its form in the codec.
        let shared = if entry.shared.is_some() { payload } else { 0 };
        OVERHEAD + key.len() as u64 + payload + shared + tags
    }
}

type Entries = QuickCache<
    String,
    Arc<L1Entry>,
    Weighter,
    DefaultHashBuilder,
    DefaultLifecycle<String, Arc<L1Entry>>,
>;

pub(crate) struct L1 {
    entries: Entries,
    ttl: Duration,
    epochs: Epochs,
    /// How often tags were invalidated.
    tags_epoch: AtomicU64,
    /// The epoch in which each tag was last invalidated. Entries read before it are not served.
    tags: Mutex<HashMap<String, u64>>,
    any_tags: AtomicBool,
}

/// When the read of a value from Redis, or its load, began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadStart {
    epoch: Epoch,
    tags_epoch: u64,
    at: Instant,
}

impl ReadStart {
    /// The same start, for a value that was known to be the newest at this later time.
    pub(crate) fn confirmed(self, at: Instant) -> Self {
        Self { at, ..self }
    }
}

impl L1 {
    pub(crate) fn new(options: L1Options) -> Self {
        let items = usize::try_from(options.bytes / 512).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            entries: QuickCache::with(
                items,
                options.bytes,
                Weighter,
                DefaultHashBuilder::default(),
                DefaultLifecycle::default(),
            ),
            ttl: options.ttl,
            epochs: Epochs::new(),
            tags_epoch: AtomicU64::new(0),
            tags: Mutex::default(),
            any_tags: AtomicBool::new(false),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<L1Entry>> {
        let entry = self.entries.get(key.as_str())?;
        (entry.expires_at > Instant::now() && self.is_current(&entry)).then_some(entry)
    }

    /// The value of a key, decoded once for all who ask for this type. `None` if there is no fresh entry, or it is of
    /// another type.
    pub(crate) fn get_shared<T>(&self, key: &Key) -> Option<Arc<T>>
    where
        T: DeserializeOwned + MaybeSend + MaybeSync + 'static,
    {
        let entry = self.get(key)?;
        if entry.fresh_until.is_some_and(|until| until <= unix_millis()) {
            return None;
        }
        if let Some(value) = entry.shared.as_ref().and_then(SharedValue::get) {
            return Some(value);
        }
        let value = Arc::new(entry.view().decode::<T>(key).ok()?);
        let shared = SharedValue::new(Arc::clone(&value));
        // The entry may have been replaced or removed in the meantime.
        self.entries.entry(key.as_str(), Some(Duration::ZERO), |_, present| {
            if Arc::ptr_eq(present, &entry) {
                *present = Arc::new(entry.with_shared(shared));
            }
            EntryAction::Retain(())
        });
        Some(value)
    }

    /// The entry even if its time is over: for when Redis and the loader fail.
    pub(crate) fn get_expired(&self, key: &Key) -> Option<Arc<L1Entry>> {
        let entry = self.entries.get(key.as_str())?;
        self.is_current(&entry).then_some(entry)
    }

    /// Whether none of its tags was invalidated since it was read.
    fn is_current(&self, entry: &L1Entry) -> bool {
        if entry.tags.is_empty() || !self.any_tags.load(Ordering::SeqCst) {
            return true;
        }
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer =
            |tag: &String| tags.get(tag).is_some_and(|invalidated| *invalidated > entry.tags_epoch);
        !entry.tags.iter().any(is_newer)
    }

    /// The start of a read of this key, now.
    pub(crate) fn read_start(&self, key: &Key) -> ReadStart {
        ReadStart {
            epoch: self.epochs.of(key.as_str()),
            tags_epoch: self.tags_epoch.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Keeps an entry until `ttl` after the start of its read at the most.
    pub(crate) fn put(&self, key: &Key, entry: &Entry, start: ReadStart, ttl: Option<Duration>) {
        let ttl = ttl.map_or(self.ttl, |ttl| ttl.min(self.ttl));
        let now = Instant::now();
        let mut left = ttl.saturating_sub(now.saturating_duration_since(start.at));
        if let Some(until) = entry.fresh_until {
            left = left.min(Duration::from_millis(until.saturating_sub(unix_millis())));
        }
        let unchanged = || self.epochs.of(key.as_str()) == start.epoch;
        // What has expired by now is still the last resort.
        if let Some(expires_at) = now.checked_add(left)
            && !ttl.is_zero()
            && unchanged()
        {
            let cached = L1Entry {
                codec: entry.codec,
                // A copy: a part of a larger answer would keep all of it.
                payload: Arc::from(&entry.payload[..]),
                fresh_until: entry.fresh_until,
                load_ms: entry.load_ms,
                tags: entry.tags.keys().cloned().collect(),
                expires_at,
                tags_epoch: start.tags_epoch,
                shared: None,
            };
            self.entries.insert(key.as_str().to_owned(), Arc::new(cached));
            // An invalidation in between may have come too early for this entry.
            if !unchanged() {
                self.entries.remove(key.as_str());
            }
        }
    }

    /// Forgets what was cached, as Redis does not have it any more.
    pub(crate) fn drop_copy(&self, key: &Key) {
        self.entries.remove(key.as_str());
    }

    pub(crate) fn remove(&self, key: &str) {
        self.epochs.advance(key);
        self.entries.remove(key);
    }

    /// Forgets every entry that has one of these tags.
    pub(crate) fn forget_tags(&self, names: &[String]) {
        const MANY: usize = 4096;
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = self.tags_epoch.fetch_add(1, Ordering::SeqCst) + 1;
        if tags.len().saturating_add(names.len()) > MANY {
            tags.clear();
            self.clear();
        }
        if names.len() <= MANY {
            tags.extend(names.iter().map(|tag| (tag.clone(), epoch)));
        }
        self.any_tags.store(true, Ordering::SeqCst);
    }

    pub(crate) fn clear(&self) {
        self.epochs.advance_all();
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_small_part_of_an_answer_does_not_keep_all_of_it() {
        let answer = Arc::new([b'v'; 4096]);
        let part = Bytes::from_owner(Answer(Arc::clone(&answer))).slice(..4);
        let l1 = L1::new(L1Options::new());
        let key = Key::verbatim("k").unwrap();
        l1.put(&key, &Entry::plain(Codec::Raw, part), l1.read_start(&key), None);
        assert_eq!(l1.get(&key).unwrap().view().payload, b"vvvv");
        assert_eq!(Arc::strong_count(&answer), 1);
    }

    #[test]
    fn the_time_of_a_value_begins_when_its_read_is_sent() {
        let l1 = L1::new(L1Options::new().ttl(Duration::from_millis(1)));
        let key = Key::verbatim("k").unwrap();
        let start = l1.read_start(&key);
        while start.at.elapsed() <= Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        let put = |start| {
            l1.put(&key, &Entry::plain(Codec::Raw, "v"), start, None);
            l1.get_expired(&key).unwrap().expires_at
        };
        assert!(put(start) <= Instant::now(), "the answer came late");
        assert!(put(start.confirmed(Instant::now())) > start.at + Duration::from_millis(1));
    }

    struct Answer(Arc<[u8; 4096]>);

    impl AsRef<[u8]> for Answer {
        fn as_ref(&self) -> &[u8] {
            &*self.0
        }
    }
}
