//! What happens to the references that groups have to an entry which is deleted (Redis 8.2).

use std::ops::Bound;

use super::{Group, Stream, StreamId, Threshold};
use crate::transport::memory::steps;

/// What happens to the references that groups have to an entry.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::transport::memory) enum References {
    /// They stay.
    #[default]
    Keep,
    /// They are removed.
    Delete,
    /// An entry that has some stays, and one that some group has not read yet.
    Acknowledged,
}

impl References {
    /// From a word in capitals.
    pub(in crate::transport::memory) fn parse(word: &str) -> Option<Self> {
        match word {
            "KEEPREF" => Some(Self::Keep),
            "DELREF" => Some(Self::Delete),
            "ACKED" => Some(Self::Acknowledged),
            _ => None,
        }
    }
}

impl Stream {
    /// Removes the references to an entry as asked. Returns whether the entry may go.
    pub(in crate::transport::memory) fn release(
        &mut self,
        id: StreamId,
        references: References,
    ) -> bool {
        match references {
            References::Keep => true,
            References::Delete => {
                for group in self.groups.values_mut() {
                    group.release(id);
                }
                true
            }
            References::Acknowledged => {
                let refers = |group: &Group| id > group.last_id || group.pending.contains_key(&id);
                !self.groups.values().any(refers)
            }
        }
    }

    /// Deletes the oldest entries that may go, until the threshold is reached, and returns how many.
    pub(in crate::transport::memory) fn trim_released(
        &mut self,
        threshold: Threshold,
        references: References,
    ) -> usize {
        let (mut count, mut from) = (0, Bound::Unbounded);
        loop {
            let is_enough = match threshold {
                Threshold::MaxLength(length) => self.len() <= length,
                Threshold::MinId(_) => false,
            };
            let next = self.entries.range((from, Bound::Unbounded)).next().map(|(id, _)| *id);
            let Some(id) = next.filter(|_| !is_enough) else { return count };
            if matches!(threshold, Threshold::MinId(least) if id >= least) {
                return count;
            }
            steps::count(1);
            from = Bound::Excluded(id);
            if self.release(id, references) {
                self.forget(id);
                count += 1;
            }
        }
    }
}
