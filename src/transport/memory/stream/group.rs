//! A group of consumers: the entries that each was given and has not acknowledged yet.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::StreamId;
use crate::transport::memory::steps;

#[derive(Clone, Default)]
pub(in crate::transport::memory) struct Group {
    /// The newest entry that was given to a consumer.
    pub(in crate::transport::memory) last_id: StreamId,
    /// How many entries there ever were up to that one, if it is known.
    pub(in crate::transport::memory) entries_read: Option<u64>,
    pub(in crate::transport::memory) pending: BTreeMap<StreamId, Pending>,
    pub(in crate::transport::memory) consumers: BTreeMap<Bytes, Consumer>,
}

/// An entry that waits for its acknowledgement.
#[derive(Clone)]
pub(in crate::transport::memory) struct Pending {
    pub(in crate::transport::memory) consumer: Bytes,
    /// Unix time in milliseconds.
    pub(in crate::transport::memory) delivered_at: u64,
    pub(in crate::transport::memory) deliveries: u64,
}

#[derive(Clone, Default)]
pub(in crate::transport::memory) struct Consumer {
    /// When it last asked for something, as Unix time in milliseconds.
    pub(in crate::transport::memory) seen_at: u64,
    /// When it was last given something.
    pub(in crate::transport::memory) active_at: Option<u64>,
    pub(in crate::transport::memory) pending: BTreeSet<StreamId>,
}

impl Group {
    pub(in crate::transport::memory) fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    /// The consumer of this name, which asks for something now. It is made if there is none.
    pub(in crate::transport::memory) fn seen(&mut self, name: &Bytes, now: u64) -> &mut Consumer {
        steps::count(1);
        let consumer = self.consumers.entry(name.clone()).or_default();
        consumer.seen_at = now;
        consumer
    }

    /// Gives an entry to a consumer, and takes it from the one that had it.
    pub(in crate::transport::memory) fn give(&mut self, id: StreamId, pending: Pending) {
        steps::count(1);
        let name = pending.consumer.clone();
        if let Some(old) = self.pending.insert(id, pending)
            && let Some(consumer) = self.consumers.get_mut(&old.consumer)
        {
            consumer.pending.remove(&id);
        }
        self.consumers.entry(name).or_default().pending.insert(id);
    }

    /// Takes an entry from its consumer. Returns whether there was one.
    pub(in crate::transport::memory) fn release(&mut self, id: StreamId) -> bool {
        steps::count(1);
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.consumers.get_mut(&pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    /// Deletes a consumer with all that it has. How many entries that is, if there is such a consumer.
    pub(in crate::transport::memory) fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let consumer = self.consumers.remove(name)?;
        for id in &consumer.pending {
            steps::count(1);
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }
}
