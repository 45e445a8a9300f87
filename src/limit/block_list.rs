//! Which keys have no room, and until when, in this process's memory.

use std::fmt;
use std::time::Duration;

use quick_cache::sync::Cache;

use super::fingerprint::Fingerprints;

/// Refusals that need no round trip. It holds a fixed number of keys; those that are asked for least are forgotten first,
/// which costs a round trip and nothing else.
pub(super) struct BlockList {
    /// The microsecond, by the clock that counts, from which on there may be room.
    blocks: Cache<u128, u64>,
    fingerprints: Fingerprints,
}

impl BlockList {
    pub(super) fn new(keys: usize) -> Self {
        Self { blocks: Cache::new(keys), fingerprints: Fingerprints::default() }
    }

    /// How long a key has no room; `None` if it may have.
    pub(super) fn blocked_for(&self, key: &str, now: u64) -> Option<Duration> {
        if self.blocks.is_empty() {
            return None;
        }
        let key = self.fingerprints.of(key);
        let until = self.blocks.get(&key)?;
        if until <= now {
            self.blocks.remove(&key);
            return None;
        }
        Some(Duration::from_micros(until - now))
    }

    pub(super) fn block(&self, key: &str, now: u64, duration: Duration) {
        let until = now.saturating_add(duration.as_micros() as u64);
        self.blocks.insert(self.fingerprints.of(key), until);
    }

    pub(super) fn clear(&self) {
        self.blocks.clear();
    }

    pub(super) fn unblock(&self, key: &str) {
        self.blocks.remove(&self.fingerprints.of(key));
    }
}

impl fmt::Debug for BlockList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockList").field("keys", &self.blocks.len()).finish_non_exhaustive()
    }
}
