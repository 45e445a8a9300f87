//! The first tier: values in this process's memory, for a short time.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::DefaultHashBuilder;
use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle, EntryAction, EntryResult};
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::epochs::{Epoch, Epochs};
use crate::Key;
use crate::cache::entry::{Codec, Entry, View};
use crate::platform::{Expiry, Instant, MaybeSend, MaybeSync, SharedValue, unix_millis};

/// The settings of the first tier, in this process's memory, before Redis.
///
/// Its values are served without asking Redis, so they may be stale for at most [`ttl`](Self::ttl), counted from when the
/// read was sent. With a [store at the edge](crate::cache::CacheOptions::edge) behind it, that tier's ttl is added. A
/// process that [follows](crate::cache::Cache::follow_invalidations) the invalidations of others serves stale values only
/// as long as a message takes to arrive. Invalidations through the same [`Cache`](crate::cache::Cache) take effect at once.
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

    /// The most memory for keys and values. A value that is [shared](crate::cache::Cache::get_shared) counts twice, encoded
    /// and decoded. The values that are used least are evicted first.
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

/// An entry in memory, and when it expires there.
pub(crate) struct L1Entry {
    codec: Codec,
    payload: Box<[u8]>,
    fresh_until: Option<u64>,
    load_ms: Option<u64>,
    tags: Box<[String]>,
    /// Not after `fresh_until`.
    expiry: Expiry,
    /// The epoch of all tags in which it was read.
    tags_epoch: u64,
}

impl L1Entry {
    pub(crate) fn view(&self) -> View<'_> {
        let Self { codec, fresh_until, load_ms, .. } = *self;
        View { codec, payload: &self.payload, fresh_until, load_ms }
    }

    /// How long ago it expired in this tier.
    pub(crate) fn expired_for(&self) -> Duration {
        self.expiry.passed_for()
    }
}

/// All that a hit on a shared value needs. It is stored in the map itself.
#[derive(Clone)]
struct Hit {
    value: SharedValue,
    expiry: Expiry,
    /// The last epoch of tags in which the entry's tags were known to be current. It is the maximum for an entry without
    /// tags.
    current_in: u64,
}

/// A value of the map.
enum Slot {
    /// An entry whose value is not shared yet.
    Entry(Arc<L1Entry>),
    /// An entry, and its shared value.
    Shared(Hit, Arc<L1Entry>),
    /// The part of a shared value that a hit clones. It is never stored in the map.
    Hit(Hit),
}

impl Slot {
    fn entry(&self) -> Option<&Arc<L1Entry>> {
        match self {
            Self::Entry(entry) | Self::Shared(_, entry) => Some(entry),
            Self::Hit(_) => None,
        }
    }

    fn value(&self) -> Option<SharedValue> {
        match self {
            Self::Shared(hit, _) | Self::Hit(hit) => Some(hit.value.clone()),
            Self::Entry(_) => None,
        }
    }
}

/// Called for every hit. A hit on a shared value does not clone the entry: a second reference count would double its cost.
impl Clone for Slot {
    #[inline]
    fn clone(&self) -> Self {
        match self {
            Self::Entry(entry) => Self::Entry(Arc::clone(entry)),
            Self::Shared(hit, _) | Self::Hit(hit) => Self::Hit(hit.clone()),
        }
    }
}

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<Name, Slot> for Weighter {
    fn weight(&self, key: &Name, slot: &Slot) -> u64 {
        // About what the map and the entry need.
        const OVERHEAD: u64 = 260;
        const TAG: u64 = 40;
        let (tags, payload) = slot.entry().map_or((0, 0), |entry| {
            let tags = entry.tags.iter().map(|tag| TAG + tag.len() as u64);
            (tags.sum(), entry.payload.len() as u64)
        });
        // The size of a decoded value is not known. It is taken to be that of its encoded form.
        let shared = if matches!(slot, Slot::Shared(..)) { payload } else { 0 };
        OVERHEAD + key.len() as u64 + payload + shared + tags
    }
}

/// The bytes of a key. Short keys are stored inline, so that a hit compares them without following a pointer.
type Name = SmallVec<[u8; 39]>;

type Slots = QuickCache<Name, Slot, Weighter, DefaultHashBuilder, DefaultLifecycle<Name, Slot>>;

fn name(key: &str) -> Name {
    Name::from_slice(key.as_bytes())
}

pub(crate) struct L1 {
    slots: Slots,
    ttl: Duration,
    epochs: Epochs,
    /// The number of invalidations by tag.
    tags_epoch: AtomicU64,
    /// The epoch in which each tag was last invalidated. Entries read before it are not served.
    tags: Mutex<HashMap<String, u64>>,
}

/// When the read of a value from Redis, or its load, began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadStart {
    epoch: Epoch,
    tags_epoch: u64,
    at: Instant,
}

impl ReadStart {
    /// The same start at a later time, when the value was known to be current.
    pub(crate) fn confirmed(self, at: Instant) -> Self {
        Self { at, ..self }
    }
}

impl L1 {
    pub(crate) fn new(options: L1Options) -> Self {
        let items = usize::try_from(options.bytes / 512).unwrap_or(usize::MAX).clamp(16, 1 << 20);
        Self {
            slots: QuickCache::with(
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
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<L1Entry>> {
        let entry = self.entry(key)?;
        (!entry.expiry.has_passed() && self.current_in(&entry).is_some()).then_some(entry)
    }

    /// The value of a key, decoded once for all callers that ask for this type. `None` if there is no fresh entry, or it is
    /// of another type.
    #[inline]
    pub(crate) fn get_shared<T>(&self, key: &Key) -> Option<Arc<T>>
    where
        T: DeserializeOwned + MaybeSend + MaybeSync + 'static,
    {
        if let Slot::Hit(hit) = self.slots.get(key.as_str().as_bytes())?
            && !hit.expiry.has_passed()
            && self.tags_epoch.load(Ordering::SeqCst) <= hit.current_in
            && let Some(value) = hit.value.downcast()
        {
            return Some(value);
        }
        self.share(key)
    }

    /// As [`L1::get_shared`], for a value that is not shared yet or as another type, or whose tags have to be checked.
    #[cold]
    fn share<T>(&self, key: &Key) -> Option<Arc<T>>
    where
        T: DeserializeOwned + MaybeSend + MaybeSync + 'static,
    {
        let (entry, shared) =
            self.change(key, |slot| Some((Arc::clone(slot.entry()?), slot.value())))??;
        if entry.expiry.has_passed() {
            return None;
        }
        let current_in = self.current_in(&entry)?;
        let value = match shared.and_then(SharedValue::downcast) {
            Some(value) => value,
            None => Arc::new(entry.view().decode::<T>(key).ok()?),
        };
        let shared = SharedValue::new(Arc::clone(&value));
        let hit = Hit { value: shared, expiry: entry.expiry, current_in };
        self.change(key, |slot| {
            // The entry may have been replaced in the meantime.
            if slot.entry().is_some_and(|present| Arc::ptr_eq(present, &entry)) {
                *slot = Slot::Shared(hit, entry);
            }
        });
        Some(value)
    }

    /// The entry, even if it has expired. It is used when Redis and the loader fail.
    pub(crate) fn get_expired(&self, key: &Key) -> Option<Arc<L1Entry>> {
        self.entry(key).filter(|entry| self.current_in(entry).is_some())
    }

    /// The entry of a key. For a shared value, it locks the shard of the map.
    fn entry(&self, key: &Key) -> Option<Arc<L1Entry>> {
        match self.slots.get(key.as_str().as_bytes())? {
            Slot::Entry(entry) => Some(entry),
            Slot::Shared(..) | Slot::Hit(_) => self.change(key, |slot| slot.entry().cloned())?,
        }
    }

    /// Calls a function with the slot of a key, under the map's lock; `None` if there is no such key.
    fn change<R>(&self, key: &Key, change: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let change = |_: &Name, slot: &mut Slot| EntryAction::Retain(change(slot));
        match self.slots.entry(&name(key.as_str()), Some(Duration::ZERO), change) {
            EntryResult::Retained(result) => Some(result),
            _ => None,
        }
    }

    /// The last epoch of tags in which an entry's tags are known to be current. `None` if one of them was invalidated since
    /// the entry was read.
    fn current_in(&self, entry: &L1Entry) -> Option<u64> {
        if entry.tags.is_empty() {
            return Some(u64::MAX);
        }
        if self.tags_epoch.load(Ordering::SeqCst) == entry.tags_epoch {
            return Some(entry.tags_epoch);
        }
        let tags = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer =
            |tag: &String| tags.get(tag).is_some_and(|invalidated| *invalidated > entry.tags_epoch);
        // A new epoch starts under this lock.
        let epoch = self.tags_epoch.load(Ordering::SeqCst);
        (!entry.tags.iter().any(is_newer)).then_some(epoch)
    }

    /// The start of a read of this key, now.
    pub(crate) fn read_start(&self, key: &Key) -> ReadStart {
        ReadStart {
            epoch: self.epochs.of(key.as_str()),
            tags_epoch: self.tags_epoch.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Keeps an entry until at most `ttl` after the start of its read.
    pub(crate) fn put(&self, key: &Key, entry: &Entry, start: ReadStart, ttl: Option<Duration>) {
        let ttl = ttl.map_or(self.ttl, |ttl| ttl.min(self.ttl));
        let mut left = ttl.saturating_sub(start.at.elapsed());
        if let Some(until) = entry.fresh_until {
            left = left.min(Duration::from_millis(until.saturating_sub(unix_millis())));
        }
        let unchanged = || self.epochs.of(key.as_str()) == start.epoch;
        // An entry that has expired by now is kept too: it is served if loading fails.
        if let Some(expiry) = Expiry::after(left)
            && !ttl.is_zero()
            && unchanged()
        {
            let cached = L1Entry {
                codec: entry.codec,
                // A copy, because a slice of a larger reply would keep all of it in memory.
                payload: Box::from(&entry.payload[..]),
                fresh_until: entry.fresh_until,
                load_ms: entry.load_ms,
                tags: entry.tags.keys().cloned().collect(),
                expiry,
                tags_epoch: start.tags_epoch,
            };
            self.slots.insert(name(key.as_str()), Slot::Entry(Arc::new(cached)));
            // An invalidation may have come after the first check and before the insertion.
            if !unchanged() {
                self.slots.remove(key.as_str().as_bytes());
            }
        }
    }

    /// Removes the copy of an entry that Redis no longer holds.
    pub(crate) fn drop_copy(&self, key: &Key) {
        self.slots.remove(key.as_str().as_bytes());
    }

    pub(crate) fn remove(&self, key: &str) {
        self.epochs.advance(key);
        self.slots.remove(key.as_bytes());
    }

    /// Drops every entry that has one of these tags.
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
    }

    pub(crate) fn clear(&self) {
        self.epochs.advance_all();
        self.slots.clear();
    }
}

impl fmt::Debug for L1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L1")
            .field("entries", &self.slots.len())
            .field("bytes", &self.slots.weight())
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
            l1.get_expired(&key).unwrap().expiry
        };
        let late = put(start);
        assert!(late.has_passed(), "the answer came late");
        assert!(put(start.confirmed(Instant::now())) > late);
    }

    #[test]
    fn a_shared_value_outlives_other_tags_and_ends_with_its_own() {
        let l1 = L1::new(L1Options::new());
        // Too long to stand in the map itself.
        let key = Key::verbatim("k".repeat(100)).unwrap();
        let put = || {
            let mut entry = Entry::plain(Codec::Json, "7");
            entry.tags.insert("own".into(), "1".into());
            l1.put(&key, &entry, l1.read_start(&key), None);
        };
        put();
        let first = l1.get_shared::<u64>(&key).unwrap();
        let again = |l1: &L1| Arc::ptr_eq(&l1.get_shared::<u64>(&key).unwrap(), &first);
        assert!(again(&l1));
        l1.forget_tags(&["other".into()]);
        // The first hit looks at its tags, the second one need not.
        assert!(again(&l1) && again(&l1));
        assert_eq!(l1.get(&key).unwrap().view().payload, b"7");
        assert!(again(&l1), "the value is shared after its bytes were read");
        assert_eq!(l1.get_shared::<u8>(&key).as_deref(), Some(&7));
        assert_eq!(l1.get_shared::<Vec<u64>>(&key), None);

        l1.forget_tags(&["own".into()]);
        assert_eq!(l1.get_shared::<u64>(&key), None);
        assert!(l1.get(&key).is_none() && l1.get_expired(&key).is_none());
        put();
        assert_eq!(l1.get_shared::<u64>(&key).as_deref(), Some(&7));
        l1.remove(key.as_str());
        assert_eq!(l1.get_shared::<u64>(&key), None);
    }

    struct Answer(Arc<[u8; 4096]>);

    impl AsRef<[u8]> for Answer {
        fn as_ref(&self) -> &[u8] {
            &*self.0
        }
    }
}
