//! The collections of the engine's values. Each operation counts its steps, so that a test notices a command that takes more.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};

use super::steps;

/// A list. Access to both ends takes constant time, and access to the middle linear time.
#[derive(Default)]
pub(super) struct List {
    elements: VecDeque<Bytes>,
    /// The length of all elements together.
    bytes: usize,
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    /// The length of all elements together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, at: usize) -> Option<&Bytes> {
        steps::count(1);
        self.elements.get(at)
    }

    /// Replaces an element. Returns whether there is one at the position.
    pub(super) fn set(&mut self, at: usize, element: Bytes) -> bool {
        steps::count(1);
        let Some(place) = self.elements.get_mut(at) else { return false };
        self.bytes = self.bytes + element.len() - place.len();
        *place = element;
        true
    }

    pub(super) fn push_front(&mut self, element: Bytes) {
        steps::count(1);
        self.bytes += element.len();
        self.elements.push_front(element);
    }

    pub(super) fn push_back(&mut self, element: Bytes) {
        steps::count(1);
        self.bytes += element.len();
        self.elements.push_back(element);
    }

    pub(super) fn pop_front(&mut self) -> Option<Bytes> {
        steps::count(1);
        self.elements.pop_front().inspect(|element| self.bytes -= element.len())
    }

    pub(super) fn pop_back(&mut self) -> Option<Bytes> {
        steps::count(1);
        self.elements.pop_back().inspect(|element| self.bytes -= element.len())
    }

    /// The elements at some positions.
    pub(super) fn range(
        &self,
        positions: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = &Bytes> + ExactSizeIterator {
        self.elements.range(positions).inspect(|_| steps::count(1))
    }

    /// Puts an element before the one at a position.
    pub(super) fn insert(&mut self, at: usize, element: Bytes) {
        steps::count(at.min(self.len() - at));
        self.bytes += element.len();
        self.elements.insert(at, element);
    }

    /// Keeps the elements for which this is true, asked from the front.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Bytes) -> bool) {
        self.elements.retain(|element| {
            steps::count(1);
            let keeps = keep(element);
            if !keeps {
                self.bytes -= element.len();
            }
            keeps
        });
    }

    /// Keeps the elements at these positions alone.
    pub(super) fn trim(&mut self, kept: Range<usize>) {
        steps::count(self.len() - kept.len());
        let end = kept.end.min(self.len());
        let after = self.elements.drain(end..).map(|element| element.len()).sum::<usize>();
        let before = self.elements.drain(..kept.start).map(|element| element.len()).sum::<usize>();
        self.bytes -= before + after;
    }
}

impl Clone for List {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self { elements: self.elements.clone(), bytes: self.bytes }
    }
}

/// Fields and values in a stable order. If one is removed, the last one takes its place.
#[derive(Default)]
pub(super) struct Hash {
    fields: IndexMap<Bytes, Bytes>,
    /// The length of all fields and values together.
    bytes: usize,
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

    /// The length of all fields and values together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many fields have a lifetime, and the length of these together is at most that of all.
    pub(super) fn lifetimes(&self) -> usize {
        self.lifetimes.as_ref().map_or(0, |lifetimes| lifetimes.of.len())
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
        let (name, added) = (field.len(), value.len());
        let old = self.fields.insert(field, value);
        self.bytes += added;
        match &old {
            Some(old) => self.bytes -= old.len(),
            None => self.bytes += name,
        }
        old
    }

    pub(super) fn remove(&mut self, field: &[u8]) -> Option<Bytes> {
        steps::count(1);
        self.set_expiry(field, None);
        let old = self.fields.swap_remove(field)?;
        self.bytes -= field.len() + old.len();
        Some(old)
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

    /// Removes fields whose time has come, at most this many, and returns how many.
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
        let (fields, lifetimes) = (self.fields.clone(), self.lifetimes.clone());
        Self { fields, bytes: self.bytes, lifetimes }
    }
}

/// Members in a stable order. If one is removed, the last one takes its place.
#[derive(Default)]
pub(super) struct Set {
    members: IndexSet<Bytes>,
    /// The length of all members together.
    bytes: usize,
}

impl Set {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The length of all members together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn contains(&self, member: &[u8]) -> bool {
        steps::count(1);
        self.members.contains(member)
    }

    pub(super) fn get_index(&self, at: usize) -> Option<&Bytes> {
        steps::count(1);
        self.members.get_index(at)
    }

    /// Whether the member is a new one.
    pub(super) fn insert(&mut self, member: Bytes) -> bool {
        steps::count(1);
        let bytes = member.len();
        let is_new = self.members.insert(member);
        self.bytes += if is_new { bytes } else { 0 };
        is_new
    }

    /// Whether the member was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        steps::count(1);
        let was_there = self.members.swap_remove(member);
        self.bytes -= if was_there { member.len() } else { 0 };
        was_there
    }

    pub(super) fn remove_index(&mut self, at: usize) -> Option<Bytes> {
        steps::count(1);
        self.members.swap_remove_index(at).inspect(|member| self.bytes -= member.len())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.members.iter().inspect(|_| steps::count(1))
    }
}

impl Clone for Set {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self { members: self.members.clone(), bytes: self.bytes }
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
