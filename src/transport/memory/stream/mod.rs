//! A stream: entries in the order of their ids, and groups of consumers that read them.

mod group;
mod id;
mod references;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::group::{Consumer, Group, Pending};
pub(super) use self::id::{StreamId, invalid};
pub(super) use self::references::References;
use super::steps;

/// The fields of an entry and their values.
pub(super) type Fields = Arc<[(Bytes, Bytes)]>;

#[derive(Default)]
pub(super) struct Stream {
    entries: BTreeMap<StreamId, Fields>,
    /// What the fields of all entries take.
    bytes: usize,
    pub(super) groups: BTreeMap<Bytes, Group>,
    /// The id of the newest entry that there ever was.
    pub(super) last_id: StreamId,
    /// The greatest id that XDEL has deleted.
    pub(super) max_deleted_id: StreamId,
    /// How many entries there ever were.
    pub(super) entries_added: u64,
}

/// Which entries a trim deletes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Threshold {
    /// The oldest ones, until this many are left.
    MaxLength(usize),
    /// Those before this id.
    MinId(StreamId),
}

/// The number of entries in a node of Redis's radix tree. A trim that need not be exact deletes whole nodes.
const NODE: usize = 100;

impl Stream {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What the fields of all entries take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn first_id(&self) -> Option<StreamId> {
        self.entries.first_key_value().map(|(id, _)| *id)
    }

    /// The id of the newest entry that is there.
    pub(super) fn newest_id(&self) -> Option<StreamId> {
        self.entries.last_key_value().map(|(id, _)| *id)
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&Fields> {
        steps::count(1);
        self.entries.get(&id)
    }

    /// The entries of an interval, the oldest first.
    pub(super) fn range(
        &self,
        ids: RangeInclusive<StreamId>,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Fields)> {
        // An interval that ends before it begins is an empty one, and a panic of the map.
        let ids = if ids.is_empty() { StreamId::MIN..=StreamId::MIN } else { ids };
        self.entries.range(ids).map(|(id, fields)| {
            steps::count(1);
            (*id, fields)
        })
    }

    /// Adds an entry, whose id has to be greater than the last one.
    pub(super) fn append(&mut self, id: StreamId, fields: Fields) {
        steps::count(1);
        self.bytes += fields_bytes(&fields);
        self.entries.insert(id, fields);
        self.last_id = id;
        self.entries_added += 1;
    }

    /// Deletes an entry as XDEL does. Returns whether it was there.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        steps::count(1);
        let deleted = self.forget(id);
        if deleted {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        deleted
    }

    /// Removes an entry, of which no trace stays. Returns whether it was there.
    fn forget(&mut self, id: StreamId) -> bool {
        let Some(fields) = self.entries.remove(&id) else { return false };
        self.bytes -= fields_bytes(&fields);
        true
    }

    /// Deletes old entries, at most this many, and returns how many. One that is not exact may leave some, as in Redis.
    pub(super) fn trim(&mut self, threshold: Threshold, exact: bool, most: usize) -> usize {
        let before = match threshold {
            Threshold::MaxLength(length) => self.len().saturating_sub(length),
            Threshold::MinId(id) => self.entries.range(..id).count(),
        };
        let mut count = before.min(most);
        if !exact && count < self.len() {
            count -= count % NODE;
        }
        for _ in 0..count {
            steps::count(1);
            if let Some((_, fields)) = self.entries.pop_first() {
                self.bytes -= fields_bytes(&fields);
            }
        }
        count
    }

    /// Whether entries from this id on were deleted by XDEL.
    fn has_tombstones_from(&self, start: StreamId) -> bool {
        self.len() > 0 && self.max_deleted_id > StreamId::MIN && start <= self.max_deleted_id
    }

    /// How many entries there ever were up to this id; `None` if that cannot be known.
    pub(super) fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let Some(first) = self.first_id() else {
            return (id <= self.last_id).then_some(self.entries_added);
        };
        if id == self.last_id {
            return Some(self.entries_added);
        }
        if id > self.last_id {
            return None;
        }
        if self.max_deleted_id == StreamId::MIN || self.max_deleted_id < first {
            let before_first = self.entries_added.saturating_sub(self.len() as u64);
            if id < first {
                return Some(before_first);
            }
            if id == first {
                return Some(before_first + 1);
            }
        }
        None
    }

    /// Whether no entry is missing from where a group stands, so that its own count of entries goes on.
    fn counts_on(&self, group: &Group) -> bool {
        self.first_id().is_some_and(|first| group.last_id >= first)
            && !self.has_tombstones_from(group.last_id)
    }

    /// How many entries a group has still to read; `None` if that cannot be known.
    pub(super) fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 || self.len() == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if self.counts_on(group) => Some(read),
            _ => self.entries_up_to(group.last_id),
        };
        // It is negative if the group was said to have read more than there was.
        read.map(|read| self.entries_added as i64 - read as i64)
    }

    /// Records that a group was given the entry of this id, if it is a new one for the group.
    pub(super) fn note_read(&self, group: &mut Group, id: StreamId) {
        if id <= group.last_id {
            return;
        }
        let counts = self.counts_on(group);
        match &mut group.entries_read {
            Some(read) if counts => *read += 1,
            read if self.entries_added > 0 => *read = self.entries_up_to(id),
            _ => {}
        }
        group.last_id = id;
    }
}

/// What the fields of an entry take.
fn fields_bytes(fields: &Fields) -> usize {
    let texts = fields.iter().map(|(field, value)| field.len() + value.len());
    texts.sum::<usize>() + fields.len() * size_of::<(Bytes, Bytes)>()
}

impl Clone for Stream {
    fn clone(&self) -> Self {
        steps::count(self.len());
        Self {
            entries: self.entries.clone(),
            bytes: self.bytes,
            groups: self.groups.clone(),
            last_id: self.last_id,
            max_deleted_id: self.max_deleted_id,
            entries_added: self.entries_added,
        }
    }
}
