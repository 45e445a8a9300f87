//! The keys: values of six types, their expiry, and the order in which SCAN visits them.

mod entry;
mod expiry;
mod kind;
mod noise;
mod order;
mod place;
#[cfg(not(target_arch = "wasm32"))]
mod walk;
#[cfg(not(target_arch = "wasm32"))]
mod walking;

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

pub(in crate::transport::memory) use self::entry::Entry;
pub(in crate::transport::memory) use self::kind::{Kind, wrong_type};
use self::noise::Noise;
use self::place::place;
#[cfg(not(target_arch = "wasm32"))]
pub(in crate::transport::memory) use self::walk::Step;
pub(in crate::transport::memory) use super::data::Data;
use super::size;
use super::steps;
use crate::Result;

#[derive(Clone)]
pub(in crate::transport::memory) struct Keyspace {
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
    pub(in crate::transport::memory) random: fastrand::Rng,
    /// Keys for which callers wait.
    pub(in crate::transport::memory) watched: HashSet<Bytes>,
    /// Those of them that have changed since this was last looked at.
    pub(in crate::transport::memory) touched: BTreeSet<Bytes>,
    /// How many changes there were.
    changes: u64,
    /// The walk over all keys that is under way.
    #[cfg(not(target_arch = "wasm32"))]
    walk: Option<Box<walk::Walk>>,
}

impl Keyspace {
    pub(in crate::transport::memory) fn new() -> Self {
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
            changes: 0,
            #[cfg(not(target_arch = "wasm32"))]
            walk: None,
        }
    }

    pub(in crate::transport::memory) fn now(&self) -> u64 {
        self.now
    }

    pub(in crate::transport::memory) fn len(&self) -> usize {
        self.entries.len() - self.overdue()
    }

    /// How many changes there were since the engine was made, also those of a command that changed nothing in the end.
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only snapshots ask"))]
    pub(in crate::transport::memory) fn changes(&self) -> u64 {
        self.changes
    }

    /// A copy without callers that wait.
    pub(in crate::transport::memory) fn fork(&self) -> Self {
        Self {
            watched: HashSet::new(),
            #[cfg(not(target_arch = "wasm32"))]
            walk: None,
            ..self.clone()
        }
    }

    /// The memory that all keys take, as estimated.
    pub(in crate::transport::memory) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Turns the counting of uses on or off.
    pub(in crate::transport::memory) fn count_uses(&mut self, counts: bool) {
        self.noise = counts.then(|| Noise::new(self.random.u64(1..)));
    }

    /// Records that a command uses a value.
    pub(in crate::transport::memory) fn note_use(&self, entry: &Entry) {
        entry.usage.note(self.now, self.noise.as_ref().map(Noise::next));
    }

    /// How many keys have a time to live.
    pub(in crate::transport::memory) fn volatile(&self) -> usize {
        self.expiries.len() - self.overdue()
    }

    pub(in crate::transport::memory) fn clear(&mut self) {
        self.touched.extend(self.watched.iter().cloned());
        self.changes += 1;
        #[cfg(not(target_arch = "wasm32"))]
        self.cut_walk();
        self.entries.clear();
        self.used_bytes = 0;
        self.order.clear();
        self.expiries.clear();
        self.field_expiries.clear();
    }

    /// What is under a key, of any type. This is no use of the value.
    pub(in crate::transport::memory) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| !self.is_overdue(entry))
    }

    pub(in crate::transport::memory) fn contains(&self, key: &[u8]) -> bool {
        self.entry(key).is_some()
    }

    /// The value of a key, if it exists and has this type.
    pub(in crate::transport::memory) fn read<T: Kind>(&self, key: &[u8]) -> Result<Option<&T>> {
        match self.entry(key) {
            None => Ok(None),
            Some(entry) => {
                self.note_use(entry);
                T::of(&entry.data).map(Some).ok_or_else(wrong_type)
            }
        }
    }

    /// Changes an existing value. A collection that is empty afterwards is removed.
    pub(in crate::transport::memory) fn change<T: Kind, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> Result<R>,
    ) -> Result<Option<R>> {
        self.remove_if_overdue(key);
        self.before_change(key);
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
    pub(in crate::transport::memory) fn update<T: Kind, R>(
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
    pub(in crate::transport::memory) fn put(
        &mut self,
        key: Bytes,
        data: Data,
        expires_at: Option<u64>,
    ) {
        self.before_change(&key);
        self.take(&key);
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

    /// Records that a key is about to change.
    fn before_change(&mut self, key: &[u8]) {
        self.changes += 1;
        #[cfg(not(target_arch = "wasm32"))]
        self.keep(key);
        #[cfg(target_arch = "wasm32")]
        let _ = key;
    }

    /// Records that a key has changed, if callers wait for it.
    fn touch(&mut self, key: &[u8]) {
        if self.watched.contains(key) {
            self.touched.insert(Bytes::copy_from_slice(key));
        }
    }

    /// Records when the next field of a hash expires.
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
    pub(in crate::transport::memory) fn put_collection<T: Kind>(&mut self, key: &[u8], value: T) {
        if value.is_empty() {
            self.remove(key);
        } else {
            self.put(Bytes::copy_from_slice(key), value.into_data(), None);
        }
    }

    /// Removes a key, and returns what was there.
    pub(in crate::transport::memory) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.take(key)?;
        (!self.is_overdue(&entry)).then_some(entry)
    }

    /// Removes a key, also one that has expired.
    fn take(&mut self, key: &[u8]) -> Option<Entry> {
        if !self.entries.contains_key(key) {
            return None;
        }
        self.before_change(key);
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
    pub(in crate::transport::memory) fn set_expiry(&mut self, key: &[u8], expires_at: Option<u64>) {
        self.remove_if_overdue(key);
        self.before_change(key);
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

    pub(in crate::transport::memory) fn keys(&self) -> impl Iterator<Item = (&Bytes, &Entry)> {
        let all = self.entries.iter().inspect(|_| steps::count(1));
        all.filter(|(_, entry)| !self.is_overdue(entry))
    }
}
