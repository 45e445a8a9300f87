//! The keys: values of six types, their expiry, and the order in which SCAN visits them.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::ops::Bound;

use bytes::Bytes;

use super::collections::{Hash, List, Set};
pub(super) use super::data::Data;
#[cfg(feature = "json")]
use super::json::Document;
use super::size;
use super::sorted_set::SortedSet;
use super::steps;
use super::stream::Stream;
use super::usage::Usage;
use crate::{Error, Result};

/// A type of value: how to find it in [`Data`], and whether it is empty, since Redis keeps no empty collections.
pub(super) trait Kind: Default {
    fn of(data: &Data) -> Option<&Self>;
    fn of_mut(data: &mut Data) -> Option<&mut Self>;
    fn into_data(self) -> Data;
    fn is_empty(&self) -> bool;
}

macro_rules! kind {
    ($variant:ident, $kind:ty, $is_empty:expr) => {
        impl Kind for $kind {
            fn of(data: &Data) -> Option<&Self> {
                match data {
                    Data::$variant(value) => Some(value),
                    _ => None,
                }
            }
            fn of_mut(data: &mut Data) -> Option<&mut Self> {
                match data {
                    Data::$variant(value) => Some(value),
                    _ => None,
                }
            }
            fn into_data(self) -> Data {
                Data::$variant(self)
            }
            fn is_empty(&self) -> bool {
                let is_empty: fn(&$kind) -> bool = $is_empty;
                is_empty(self)
            }
        }
    };
}
// An empty string is a value like any other.
kind!(String, Bytes, |_| false);
kind!(List, List, |list| list.len() == 0);
kind!(Hash, Hash, |hash| hash.len() == 0);
kind!(Set, Set, |set| set.len() == 0);
kind!(SortedSet, SortedSet, |set| set.len() == 0);
// A stream without entries still has its groups and its last id.
kind!(Stream, Stream, |_| false);
#[cfg(feature = "json")]
kind!(Json, Document, |_| false);

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) data: Data,
    /// Unix time in milliseconds.
    pub(super) expires_at: Option<u64>,
    /// When the next field of a hash expires.
    field_expires_at: Option<u64>,
    pub(super) usage: Usage,
    /// What the key counts for in the memory that is used.
    bytes: usize,
}

impl Entry {
    fn new(data: Data, expires_at: Option<u64>, now: u64) -> Self {
        Self { data, expires_at, field_expires_at: None, usage: Usage::new(now), bytes: 0 }
    }

    fn next_field_expiry(&self) -> Option<u64> {
        Hash::of(&self.data).and_then(Hash::next_expiry)
    }
}

#[derive(Clone)]
pub(super) struct Keyspace {
    entries: HashMap<Bytes, Entry>,
    /// Every key by its position in SCAN's order. The position does not change while other keys are added or removed.
    order: BTreeSet<(u64, Bytes)>,
    expiries: BTreeSet<(u64, Bytes)>,
    /// Hashes, by when their next field expires.
    field_expiries: BTreeSet<(u64, Bytes)>,
    now: u64,
    used_bytes: usize,
    /// A random number that changes with each use, if uses are counted.
    noise: Option<Noise>,
    pub(super) random: fastrand::Rng,
    /// Keys for which callers wait.
    pub(super) watched: HashSet<Bytes>,
    /// Those of them that have changed since this was last looked at.
    pub(super) touched: BTreeSet<Bytes>,
}

impl Keyspace {
    pub(super) fn new() -> Self {
        let seed = crate::platform::random().map_or(0, u64::from_le_bytes);
        Self {
            entries: HashMap::new(),
            order: BTreeSet::new(),
            expiries: BTreeSet::new(),
            field_expiries: BTreeSet::new(),
            now: 0,
            used_bytes: 0,
            noise: None,
            random: fastrand::Rng::with_seed(seed),
            watched: HashSet::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Sets the clock and removes expired keys. The clock never goes back, so that no expired key returns.
    pub(super) fn advance_to(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some((at, key)) = self.expiries.first()
            && *at <= self.now
        {
            steps::count(1);
            let key = key.clone();
            self.remove(&key);
        }
        while let Some((at, key)) = self.field_expiries.first()
            && *at <= self.now
        {
            let (key, now) = (key.clone(), self.now);
            // It is a hash, or it would not be there.
            let _ = self.change::<Hash, _>(&key, |hash| {
                hash.remove_expired(now);
                Ok(())
            });
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The memory that all keys take, as estimated.
    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Begins or ends to count how often values are used.
    pub(super) fn count_uses(&mut self, counts: bool) {
        self.noise = counts.then(|| Noise(Cell::new(self.random.u64(1..))));
    }

    /// Takes note that a command uses a value.
    pub(super) fn note_use(&self, entry: &Entry) {
        entry.usage.note(self.now, self.noise.as_ref().map(Noise::next));
    }

    /// How many keys have a time to live.
    pub(super) fn volatile(&self) -> usize {
        self.expiries.len()
    }

    pub(super) fn clear(&mut self) {
        self.touched.extend(self.watched.iter().cloned());
        self.entries.clear();
        self.used_bytes = 0;
        self.order.clear();
        self.expiries.clear();
        self.field_expiries.clear();
    }

    /// What is under a key, of any type. This is no use of the value.
    pub(super) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.entries.contains_key(key)
    }

    /// The value of a key, if it exists and has this type.
    pub(super) fn read<T: Kind>(&self, key: &[u8]) -> Result<Option<&T>> {
        match self.entries.get(key) {
            None => Ok(None),
            Some(entry) => {
                self.note_use(entry);
                T::of(&entry.data).map(Some).ok_or_else(wrong_type)
            }
        }
    }

    /// Changes an existing value. A collection that is empty afterwards is removed.
    pub(super) fn change<T: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> Result<R>,
    ) -> Result<Option<R>> {
        let Some(entry) = self.entries.get_mut(key) else {
            return Ok(None);
        };
        entry.usage.note(self.now, self.noise.as_ref().map(Noise::next));
        let value = T::of_mut(&mut entry.data).ok_or_else(wrong_type)?;
        let result = change(value);
        let is_empty = value.is_empty();
        let has_new_expiry = entry.next_field_expiry() != entry.field_expires_at;
        let bytes = size::of(key, &entry.data);
        self.used_bytes = (self.used_bytes + bytes).saturating_sub(entry.bytes);
        entry.bytes = bytes;
        if is_empty {
            self.remove(key);
        } else {
            self.touch(key);
            if has_new_expiry {
                self.note_field_expiry(key);
            }
        }
        result.map(Some)
    }

    /// Changes a value. An absent value is created.
    pub(super) fn update<T: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> Result<R>,
    ) -> Result<R> {
        if self.contains(key) {
            // The entry exists, so the change runs.
            return self.change(key, change).and_then(|done| done.ok_or_else(wrong_type));
        }
        let mut value = T::default();
        let result = change(&mut value)?;
        if !value.is_empty() {
            self.put(Bytes::copy_from_slice(key), value.into_data(), None);
        }
        Ok(result)
    }

    /// Stores a value under a key, and replaces any old value.
    pub(super) fn put(&mut self, key: Bytes, data: Data, expires_at: Option<u64>) {
        self.remove(&key);
        self.touch(&key);
        self.order.insert((place(&key), key.clone()));
        if let Some(at) = expires_at {
            self.expiries.insert((at, key.clone()));
        }
        let mut entry = Entry::new(data, expires_at, self.now);
        entry.bytes = size::of(&key, &entry.data);
        self.used_bytes += entry.bytes;
        if entry.next_field_expiry().is_none() {
            self.entries.insert(key, entry);
            return;
        }
        self.entries.insert(key.clone(), entry);
        self.note_field_expiry(&key);
    }

    /// Takes note that a key has changed, if callers wait for it.
    fn touch(&mut self, key: &[u8]) {
        if self.watched.contains(key) {
            self.touched.insert(Bytes::copy_from_slice(key));
        }
    }

    /// Takes note of when the next field of a hash expires.
    fn note_field_expiry(&mut self, key: &[u8]) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let next = entry.next_field_expiry();
        let old = std::mem::replace(&mut entry.field_expires_at, next);
        if old == next {
            return;
        }
        let key = Bytes::copy_from_slice(key);
        if let Some(at) = old {
            self.field_expiries.remove(&(at, key.clone()));
        }
        if let Some(at) = next {
            self.field_expiries.insert((at, key));
        }
    }

    /// Stores a collection; an empty one deletes the key.
    pub(super) fn put_collection<T: Kind>(&mut self, key: &[u8], value: T) {
        if value.is_empty() {
            self.remove(key);
        } else {
            self.put(Bytes::copy_from_slice(key), value.into_data(), None);
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.used_bytes = self.used_bytes.saturating_sub(entry.bytes);
        self.touch(&key);
        if let Some(at) = entry.expires_at {
            self.expiries.remove(&(at, key.clone()));
        }
        if let Some(at) = entry.field_expires_at {
            self.field_expiries.remove(&(at, key.clone()));
        }
        self.order.remove(&(place(&key), key));
        Some(entry)
    }

    /// Sets or removes a key's expiry. A time that has passed deletes the key.
    pub(super) fn set_expiry(&mut self, key: &[u8], expires_at: Option<u64>) {
        if expires_at.is_some_and(|at| at <= self.now) {
            self.remove(key);
            return;
        }
        let Some((key, _)) = self.entries.get_key_value(key) else {
            return;
        };
        let key = key.clone();
        if let Some(entry) = self.entries.get_mut(&key) {
            if let Some(old) = entry.expires_at {
                self.expiries.remove(&(old, key.clone()));
            }
            entry.expires_at = expires_at;
            if let Some(at) = expires_at {
                self.expiries.insert((at, key));
            }
        }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&Bytes, &Entry)> {
        self.entries.iter().inspect(|_| steps::count(1))
    }

    /// The keys of about `count` positions from `cursor` on, and the next cursor (0 at the end). Keys of the same position are
    /// returned together, so that none is missed between two steps.
    pub(super) fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<&Bytes>) {
        let mut keys = Vec::new();
        let mut last = None;
        let from = Bound::Included((cursor, Bytes::new()));
        for (place, key) in self.order.range((from, Bound::Unbounded)) {
            if keys.len() >= count && last != Some(*place) {
                return (*place, keys);
            }
            steps::count(1);
            keys.push(key);
            last = Some(*place);
        }
        (0, keys)
    }

    pub(super) fn next_to_expire(&self) -> Option<Bytes> {
        self.expiries.first().map(|(_, key)| key.clone())
    }

    /// A key with a time to live: one that is near to a random position in SCAN's order, or else the next one to expire.
    pub(super) fn random_volatile_key(&mut self) -> Option<Bytes> {
        const NEAR: usize = 64;
        let from = Bound::Included((self.random.u64(..=MAX_PLACE), Bytes::new()));
        let mut near = self.order.range((from, Bound::Unbounded)).take(NEAR).map(|(_, key)| key);
        let is_volatile =
            |key: &&Bytes| self.entry(key).is_some_and(|entry| entry.expires_at.is_some());
        near.find(is_volatile).cloned().or_else(|| self.next_to_expire())
    }

    pub(super) fn random_key(&mut self) -> Option<Bytes> {
        let from = Bound::Included((self.random.u64(..=MAX_PLACE), Bytes::new()));
        let after = self.order.range((from, Bound::Unbounded)).next();
        after.or_else(|| self.order.first()).map(|(_, key)| key.clone())
    }
}

/// Random numbers by xorshift, for readers that share the keys.
#[derive(Clone)]
struct Noise(Cell<u64>);

impl Noise {
    fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        state
    }
}

/// Cursors are below 2^48, so that clients that read them as floats read them exactly.
const MAX_PLACE: u64 = (1 << 48) - 1;

fn place(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    // 0 is the cursor of the beginning and of the end.
    (hasher.finish() & MAX_PLACE).max(1)
}

pub(super) fn wrong_type() -> Error {
    Error::server("WRONGTYPE Operation against a key holding the wrong kind of value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_finds_every_key_that_stays() {
        let mut keyspace = Keyspace::new();
        let put = |keyspace: &mut Keyspace, name: String| {
            keyspace.put(name.into(), Data::String(Bytes::new()), None);
        };
        for number in 0..500 {
            put(&mut keyspace, format!("stays:{number}"));
        }
        let (mut cursor, mut found, mut step) = (0, BTreeSet::new(), 0);
        loop {
            let (next, keys) = keyspace.scan(cursor, 10);
            found.extend(keys.into_iter().filter(|key| key.starts_with(b"stays")).cloned());
            put(&mut keyspace, format!("comes:{step}"));
            keyspace.remove(format!("comes:{}", step / 2).as_bytes());
            (cursor, step) = (next, step + 1);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(found.len(), 500);
    }

    #[test]
    fn what_has_expired_is_gone_from_every_index() {
        let mut keyspace = Keyspace::new();
        keyspace.advance_to(100);
        keyspace.put("a".into(), Data::String(Bytes::new()), Some(200));
        keyspace.put("a".into(), Data::String(Bytes::new()), Some(300));
        keyspace.advance_to(200);
        assert_eq!(keyspace.len(), 1);
        keyspace.advance_to(300);
        assert_eq!((keyspace.len(), keyspace.order.len(), keyspace.expiries.len()), (0, 0, 0));
    }
}
