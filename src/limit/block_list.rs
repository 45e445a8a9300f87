//! Which keys have no room, and until when, in this process's memory.

use std::fmt;
use std::time::Duration;

use quick_cache::sync::Cache;

use super::fingerprint::Fingerprints;

/// Something that has no room.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Blocked<'a> {
    /// A policy, by its place in the limiter, for the calls that it counts together.
    Policy(usize, &'a str),
    /// A value on the deny list.
    Denied(&'a str),
}

/// Refusals that need no round trip. It holds a fixed number of keys; those that are used least are forgotten first,
/// which costs a round trip and nothing else.
pub(super) struct BlockList {
    /// The microsecond, by the clock that counts, from which on there may be room; and the limit that has been reached.
    blocks: Cache<u128, (u64, u64)>,
    fingerprints: Fingerprints,
}

impl BlockList {
    pub(super) fn new(keys: usize) -> Self {
        Self { blocks: Cache::new(keys), fingerprints: Fingerprints::default() }
    }

    /// How long there is no room, and the limit that has been reached; `None` if there may be room.
    pub(super) fn blocked_for(&self, what: Blocked<'_>, now: u64) -> Option<(Duration, u64)> {
        if self.blocks.is_empty() {
            return None;
        }
        let key = self.fingerprints.of(what);
        let (until, limit) = self.blocks.get(&key)?;
        if until <= now {
            self.blocks.remove(&key);
            return None;
        }
        Some((Duration::from_micros(until - now), limit))
    }

    pub(super) fn block(&self, what: Blocked<'_>, now: u64, duration: Duration, limit: u64) {
        let until = now.saturating_add(duration.as_micros() as u64);
        self.blocks.insert(self.fingerprints.of(what), (until, limit));
    }

    pub(super) fn clear(&self) {
        self.blocks.clear();
    }

    pub(super) fn unblock(&self, what: Blocked<'_>) {
        self.blocks.remove(&self.fingerprints.of(what));
    }
}

impl fmt::Debug for BlockList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockList").field("keys", &self.blocks.len()).finish_non_exhaustive()
    }
}
