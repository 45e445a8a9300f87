//! A walk over all keys that sees them as they were when it began, although it takes many steps, between which commands change
//! them. A command that changes a key which is not visited yet first has it written as it was.

use std::collections::HashSet;

use bytes::Bytes;

use super::entry::Entry;
use super::place::place;
use crate::transport::memory::rdb::file::put_record;

/// How far a walk has come.
#[derive(Clone, Default)]
pub(super) struct Walk {
    /// The last key that was visited, in SCAN's order.
    pub(super) at: Option<(u64, Bytes)>,
    /// Keys after that one which have changed since the walk began, and are not visited again.
    pub(super) changed: HashSet<Bytes>,
    /// Their records as they were.
    pub(super) kept: Vec<u8>,
    pub(super) is_cut: bool,
}

/// What a step has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport::memory) enum Step {
    /// There is more.
    More,
    /// All keys were written.
    Done,
    /// All keys were deleted meanwhile: what was written is of no use.
    Cut,
}

impl Walk {
    /// Writes a key that is about to change, if that is still to be done. `entry` is what it holds now.
    pub(super) fn keep(&mut self, key: &[u8], entry: Option<&Entry>) {
        let place = place(key);
        let is_visited =
            self.at.as_ref().is_some_and(|(at, last)| (*at, &last[..]) >= (place, key));
        if is_visited || self.changed.contains(key) {
            return;
        }
        self.changed.insert(Bytes::copy_from_slice(key));
        if let Some(entry) = entry {
            put_record(&mut self.kept, key, &entry.data, entry.expires_at);
        }
    }
}
