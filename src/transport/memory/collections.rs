//! The collections of the engine's values. Each operation counts its steps, so that a test notices a command that takes more.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};

use super::steps;

/// A list. Access to both ends takes constant time, and access to the middle linear time.
#[derive(Default)]
pub(super) struct List(VecDeque<Bytes>);

impl List {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Bytes> {
        steps::count(1);
        self.0.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Bytes> {
        steps::count(1);
        self.0.get_mut(at)
    }

    pub(super) fn push_front(&mut self, element: Bytes) {
        steps::count(1);
        self.0.push_front(element);
    }

    pub(super) fn push_back(&mut self, element: Bytes) {
        steps::count(1);
        self.0.push_back(element);
    }

    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        steps::count(1);
        self.0.pop_front()
    }

    pub(super) fn pop_back(&mut self) -> Option<Bytes> {
        steps::count(1);
        self.0.pop_back()
    }

    /// The elements at some positions.
    pub(super) fn range(
        &self,
        positions: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = &Bytes> + ExactSizeIterator {
        self.0.range(positions).inspect(|_| steps::count(1))
    }

    /// Puts an element before the one at a position.
    pub(super) fn insert(&mut self, at: usize, element: Bytes) {
        steps::count(at.min(self.len() - at));
        self.0.insert(at, element);
    }

    /// Keeps the elements for which this is true, asked from the front.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Bytes) -> bool) {
        self.0.retain(|element| {
            steps::count(1);
            keep(element)
        });
    }

    /// Keeps the elements at these positions alone.
    pub(super) fn trim(&mut self, kept: Range<usize>) {
        steps::count(self.len() - kept.len());
        self.0.truncate(kept.end);
        self.0.drain(..kept.start);
    }
}

impl Clone for List {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self(self.0.clone())
    }
}

/// Fields and values in a stable order. If one is removed, the last one takes its place.
#[derive(Default)]
pub(super) struct Hash {
    fields: IndexMap<Bytes, Bytes>,
    /// The lifetimes of fields; none if no field has one.
    lifetimes: Option<Box<Lifetimes>>,
}

/// When fields expire, as Unix times in milliseconds.
#[derive(Clone, Default)]
struct Lifetimes {
    of: HashMap<Bytes, u64>,
    order: BTreeSet<(u64, Bytes)>,
}

impl Hash {
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<&Bytes> {
        steps::count(1);
        self.fields.get(field)
    }

    pub(super) fn contains(&self, field: &[u8]) -> bool {
        steps::count(1);
        self.fields.contains_key(field)
    }

    pub(super) fn get_index(&self, at: usize) -> Option<(&Bytes, &Bytes)> {
        steps::count(1);
        self.fields.get_index(at)
    }

    /// Sets a field, which loses its lifetime, and returns the old value.
    pub(super) fn insert(&mut self, field: Bytes, value: Bytes) -> Option<Bytes> {
        self.set_expiry(&field, None);
        self.replace(field, value)
    }

    /// Sets a field, which keeps its lifetime, and returns the old value.
    pub(super) fn replace(&mut self, field: Bytes, value: Bytes) -> Option<Bytes> {
        steps::count(1);
        self.fields.insert(field, value)
    }

    pub(super) fn remove(&mut self, field: &[u8]) -> Option<Bytes> {
        steps::count(1);
        self.set_expiry(field, None);
        self.fields.swap_remove(field)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.fields.iter().inspect(|_| steps::count(1))
    }

    /// When a field expires.
    pub(super) fn expiry(&self, field: &[u8]) -> Option<u64> {
        steps::count(1);
        self.lifetimes.as_ref()?.of.get(field).copied()
    }

    /// Sets or removes when a field expires. The field exists.
    pub(super) fn set_expiry(&mut self, field: &[u8], expires_at: Option<u64>) {
        if expires_at.is_none() && self.lifetimes.is_none() {
            return;
        }
        steps::count(1);
        let lifetimes = self.lifetimes.get_or_insert_default();
        if let Some((field, old)) = lifetimes.of.remove_entry(field) {
            lifetimes.order.remove(&(old, field));
        }
        match expires_at {
            Some(at) => {
                let field = Bytes::copy_from_slice(field);
                lifetimes.of.insert(field.clone(), at);
                lifetimes.order.insert((at, field));
            }
            None if lifetimes.of.is_empty() => self.lifetimes = None,
            None => {}
        }
    }

    /// When the next field expires.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.lifetimes.as_ref()?.order.first().map(|(at, _)| *at)
    }

    /// Removes fields whose time has come, at most so many, and tells how many.
    pub(super) fn remove_expired(&mut self, now: u64, most: usize) -> usize {
        let mut removed = 0;
        while removed < most
            && let Some((at, field)) = self.lifetimes.as_ref().and_then(|all| all.order.first())
            && *at <= now
        {
            let field = field.clone();
            self.remove(&field);
            removed += 1;
        }
        removed
    }
}

impl Clone for Hash {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self { fields: self.fields.clone(), lifetimes: self.lifetimes.clone() }
    }
}

/// Members in a stable order. If one is removed, the last one takes its place.
#[derive(Default)]
pub(super) struct Set(IndexSet<Bytes>);

impl Set {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn contains(&self, member: &[u8]) -> bool {
        steps::count(1);
        self.0.contains(member)
    }

    pub(super) fn get_index(&self, at: usize) -> Option<&Bytes> {
        steps::count(1);
        self.0.get_index(at)
    }

    /// Whether the member is a new one.
    pub(super) fn insert(&mut self, member: Bytes) -> bool {
        steps::count(1);
        self.0.insert(member)
    }

    /// Whether the member was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        steps::count(1);
        self.0.swap_remove(member)
    }

    pub(super) fn remove_index(&mut self, at: usize) -> Option<Bytes> {
        steps::count(1);
        self.0.swap_remove_index(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().inspect(|_| steps::count(1))
    }
}

impl Clone for Set {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self(self.0.clone())
    }
}

impl FromIterator<Bytes> for Set {
    fn from_iter<I: IntoIterator<Item = Bytes>>(members: I) -> Self {
        let mut set = Self::default();
        for member in members {
            set.insert(member);
        }
        set
    }
}
