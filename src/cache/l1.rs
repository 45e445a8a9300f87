//! The first tier: values in this process's memory, for a short time.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::DefaultHashBuilder;
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle};

use super::format::{Codec, Entry, View};
use super::stripes::{Seen, Stripes};
use crate::Key;
use crate::platform::{Instant, unix_millis};

/// The settings of the first tier, in this process's memory, before Redis.
///
/// A value in it is served without asking Redis, so it may be stale: for as long as [`ttl`](Self::ttl) at the most, counted
/// from when the read of it was sent. With a [store at the edge](super::CacheOptions::edge) behind it, that one's time comes
/// on top. On hosts that [follow](super::Cache::follow_invalidations) the others' invalidations, it is stale only as long as a
/// message takes.
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

/// An entry, and until when it is served. It is cloned for every hit.
#[derive(Clone)]
pub(super) struct Held {
    codec: Codec,
    payload: Arc<[u8]>,
    /// Most entries have nothing of that.
    more: Option<Arc<More>>,
    expires_at: Instant,
    /// How often tags had been invalidated when it was read.
    tags_clock: u64,
}

struct More {
    fresh_until: Option<u64>,
    load_ms: Option<u64>,
    tags: Vec<String>,
}

impl More {
    fn of(entry: &Entry) -> Option<Arc<Self>> {
        let Entry { fresh_until, load_ms, tags, .. } = entry;
        let plain = fresh_until.is_none() && load_ms.is_none() && tags.is_empty();
        let tags = tags.keys().cloned();
        (!plain).then(|| {
            Arc::new(Self { fresh_until: *fresh_until, load_ms: *load_ms, tags: tags.collect() })
        })
    }
}

impl Held {
    pub(super) fn view(&self) -> View<'_> {
        let more = self.more.as_ref();
        View {
            codec: self.codec,
            payload: &self.payload,
            fresh_until: more.and_then(|more| more.fresh_until),
            load_ms: more.and_then(|more| more.load_ms),
        }
    }
}

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<String, Held> for Weighter {
    fn weight(&self, key: &String, held: &Held) -> u64 {
        // What the map itself and the entry take, about.
        const OVERHEAD: u64 = 200;
        const MORE: u64 = 80;
        const TAG: u64 = 40;
        let more = held.more.as_ref().map_or(0, |more| {
            MORE + more.tags.iter().map(|tag| TAG + tag.len() as u64).sum::<u64>()
        });
        OVERHEAD + key.len() as u64 + held.payload.len() as u64 + more
    }
}

type Entries =
    QuickCache<String, Held, Weighter, DefaultHashBuilder, DefaultLifecycle<String, Held>>;

pub(super) struct L1 {
    entries: Entries,
    ttl: Duration,
    invalidated: Stripes,
    /// How often tags were invalidated.
    tags_clock: AtomicU64,
    tags: Mutex<HashMap<String, Forgotten>>,
    any_tags: AtomicBool,
}

/// The moment before a value is read from Redis, or loaded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    seen: Seen,
    tags_clock: u64,
    at: Instant,
}

impl Moment {
    /// The same, for a value that was found to be the newest at this later time.
    pub(super) fn confirmed(self, at: Instant) -> Self {
        Self { at, ..self }
    }
}

/// A tag that was invalidated while entries with it may be here.
struct Forgotten {
    /// Entries read before it do not count.
    clock: u64,
}

impl L1 {
    pub(super) fn new(options: L1Options) -> Self {
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
            invalidated: Stripes::new(),
            tags_clock: AtomicU64::new(0),
            tags: Mutex::default(),
            any_tags: AtomicBool::new(false),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Held> {
        let held = self.entries.get(key.as_str())?;
        (held.expires_at > Instant::now() && self.counts(&held)).then_some(held)
    }

    /// What was here last, even if it would have to be asked for again: for when nobody else has anything.
    pub(super) fn last_resort(&self, key: &Key) -> Option<Held> {
        let held = self.entries.get(key.as_str())?;
        self.counts(&held).then_some(held)
    }

    /// Whether no tag of an entry was invalidated since it was read.
    fn counts(&self, held: &Held) -> bool {
        let Some(more) = held.more.as_ref().filter(|_| self.any_tags.load(Ordering::SeqCst)) else {
            return true;
        };
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let newer =
            |tag: &String| tags.get(tag).is_some_and(|forgotten| forgotten.clock > held.tags_clock);
        !more.tags.iter().any(newer)
    }

    /// The moment before a value is read.
    pub(super) fn moment(&self, key: &Key) -> Moment {
        Moment {
            seen: self.invalidated.seen(key.as_str()),
            tags_clock: self.tags_clock.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Keeps an entry that was read at this moment, until `ttl` after it at the most.
    pub(super) fn put(&self, key: &Key, entry: &Entry, moment: Moment, ttl: Option<Duration>) {
        let ttl = ttl.map_or(self.ttl, |ttl| ttl.min(self.ttl));
        let now = Instant::now();
        let mut left = ttl.saturating_sub(now.saturating_duration_since(moment.at));
        if let Some(until) = entry.fresh_until {
            left = left.min(Duration::from_millis(until.saturating_sub(unix_millis())));
        }
        let unchanged = || self.invalidated.seen(key.as_str()) == moment.seen;
        // What has expired by now is still the last resort.
        if let Some(expires_at) = now.checked_add(left)
            && !ttl.is_zero()
            && unchanged()
        {
            let held = Held {
                codec: entry.codec,
                // A copy: a part of a larger answer would keep all of it.
                payload: Arc::from(&entry.payload[..]),
                more: More::of(entry),
                expires_at,
                tags_clock: moment.tags_clock,
            };
            self.entries.insert(key.as_str().to_owned(), held);
            // An invalidation in between may have come too early for this entry.
            if !unchanged() {
                self.entries.remove(key.as_str());
            }
        }
    }

    /// Forgets what was held, as Redis does not have it any more.
    pub(super) fn drop_copy(&self, key: &Key) {
        self.entries.remove(key.as_str());
    }

    pub(super) fn remove(&self, key: &str) {
        self.invalidated.touch(key);
        self.entries.remove(key);
    }

    /// Forgets every entry that has one of these tags.
    pub(super) fn forget_tags(&self, names: &[String]) {
        const MANY: usize = 4096;
        let mut tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = self.tags_clock.fetch_add(1, Ordering::SeqCst) + 1;
        if tags.len().saturating_add(names.len()) > MANY {
            tags.clear();
            self.clear();
        }
        if names.len() <= MANY {
            tags.extend(names.iter().map(|tag| (tag.clone(), Forgotten { clock })));
        }
        self.any_tags.store(true, Ordering::SeqCst);
    }

    pub(super) fn clear(&self) {
        self.invalidated.touch_all();
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
        l1.put(&key, &Entry::plain(Codec::Raw, part), l1.moment(&key), None);
        assert_eq!(l1.get(&key).unwrap().view().payload, b"vvvv");
        assert_eq!(Arc::strong_count(&answer), 1);
    }

    struct Answer(Arc<[u8; 4096]>);

    impl AsRef<[u8]> for Answer {
        fn as_ref(&self) -> &[u8] {
            &*self.0
        }
    }
}
