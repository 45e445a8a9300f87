use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What a cache has done. Counts only; nothing here names a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads that found a value.
    pub hits: u64,
    /// Those of them that the first tier answered, in this process's memory.
    pub l1_hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Times that a loader or backing store was asked.
    pub loads: u64,
    /// Misses that another caller's load answered, of this process or another.
    pub coalesced: u64,
    /// Values stored.
    pub stored: u64,
    /// Loaded values that were not stored, because the entry was invalidated while they were loaded.
    pub refused: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// Commands or conversions that failed.
    pub errors: u64,
}

impl CacheStats {
    /// The part of the reads that found a value, from 0 to 1; 0 if there was no read.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            reads => self.hits as f64 / reads as f64,
        }
    }
}

macro_rules! counters {
    ($($name:ident),+) => {
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $($name: AtomicU64),+
        }

        impl Counters {
            pub(super) fn snapshot(&self) -> CacheStats {
                CacheStats { $($name: self.$name.load(Ordering::Relaxed)),+ }
            }

            pub(super) fn reset(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)+
            }
        }
    };
}
counters!(hits, l1_hits, misses, loads, coalesced, stored, refused, deleted, errors);

impl Counters {
    pub(super) fn read(&self, hits: usize, misses: usize) {
        self.hits.fetch_add(hits as u64, Ordering::Relaxed);
        self.misses.fetch_add(misses as u64, Ordering::Relaxed);
    }

    pub(super) fn l1_hit(&self, hits: usize) {
        self.l1_hits.fetch_add(hits as u64, Ordering::Relaxed);
    }

    pub(super) fn coalesced(&self) {
        self.coalesced.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn loaded(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stored(&self, count: usize) {
        self.stored.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn deleted(&self, count: u64) {
        self.deleted.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }
}
