use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::histogram::{AtomicHistogram, Histogram};

/// The statistics of a cache. They are counts only, and name no key.
///
/// With the feature `metrics`, the counts also go to the `metrics` crate as they happen, as `edgecask_cache_{name}_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CacheStats {
    /// Reads that found a fresh value.
    pub hits: u64,
    /// Hits in the first tier, in this process's memory.
    pub l1_hits: u64,
    /// Hits in the store at the [edge](crate::cache::CacheOptions::edge).
    pub edge_hits: u64,
    /// Reads that found no fresh value.
    pub misses: u64,
    /// Stale values served.
    pub stale: u64,
    /// Fresh values that were reloaded early, before they expired.
    pub early: u64,
    /// Calls of a loader or backing store.
    pub loads: u64,
    /// Misses that were served by another caller's load, in this process or another.
    pub coalesced: u64,
    /// Values stored.
    pub stored: u64,
    /// Loaded values that were not stored, because the entry was invalidated while they were loaded.
    pub refused: u64,
    /// Entries deleted.
    pub deleted: u64,
    /// Tags invalidated.
    pub invalidated_tags: u64,
    /// Commands, conversions and loads in the background that failed.
    pub errors: u64,
    /// Bytes read from Redis, as stored.
    pub bytes_read: u64,
    /// The same bytes, decompressed.
    pub bytes_unpacked: u64,
    /// Bytes of values to store, before compression.
    pub bytes_to_store: u64,
    /// Bytes sent to Redis for them.
    pub bytes_written: u64,
    /// How long reading from Redis took.
    pub read_latency: Histogram,
    /// How long storing took.
    pub write_latency: Histogram,
    /// How long loaders took.
    pub load_latency: Histogram,
}

impl CacheStats {
    /// The part of the reads that found a value, from 0 to 1; 0 if there was no read.
    pub fn hit_rate(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            reads => self.hits as f64 / reads as f64,
        }
    }

    /// The size of the values divided by the size of what was stored: 5 means that a fifth was stored. It is 1 if nothing
    /// was stored.
    pub fn compression_ratio(&self) -> f64 {
        match self.bytes_written {
            0 => 1.0,
            written => self.bytes_to_store as f64 / written as f64,
        }
    }
}

macro_rules! counters {
    ($($name:ident),+; $($latency:ident),+) => {
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($name: AtomicU64,)+
            $($latency: AtomicHistogram),+
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> CacheStats {
                let mut stats = CacheStats {
                    $($name: self.$name.load(Ordering::Relaxed),)+
                    $($latency: self.$latency.load(Ordering::Relaxed)),+
                };
                // A hit in the first tier only increments `l1_hits`.
                stats.hits += stats.l1_hits;
                stats
            }

            pub(crate) fn reset(&self) {
                $(self.$name.store(0, Ordering::Relaxed);)+
                $(self.$latency.clear();)+
            }
        }
    };
}
counters!(
    hits, l1_hits, edge_hits, misses, stale, early, loads, coalesced, stored, refused, deleted, invalidated_tags,
    errors, bytes_read, bytes_unpacked, bytes_to_store, bytes_written;
    read_latency, write_latency, load_latency
);

/// Adds to a counter, and to the counter of the same name in the `metrics` crate.
macro_rules! add {
    ($counters:ident.$name:ident, $count:expr) => {{
        let count = $count as u64;
        if count > 0 {
            $counters.$name.fetch_add(count, Ordering::Relaxed);
            #[cfg(feature = "metrics")]
            metrics::counter!(concat!("edgecask_cache_", stringify!($name), "_total"))
                .increment(count);
        }
    }};
}

macro_rules! took {
    ($counters:ident.$name:ident, $duration:ident) => {{
        $counters.$name.took($duration);
        #[cfg(feature = "metrics")]
        metrics::histogram!(concat!("edgecask_cache_", stringify!($name), "_seconds"))
            .record($duration.as_secs_f64());
    }};
}

impl Counters {
    pub(crate) fn read(&self, hits: usize, misses: usize) {
        add!(self.hits, hits);
        add!(self.misses, misses);
    }

    /// Counts a hit in the first tier.
    pub(crate) fn l1_hit(&self) {
        add!(self.l1_hits, 1);
        #[cfg(feature = "metrics")]
        metrics::counter!("edgecask_cache_hits_total").increment(1);
    }

    pub(crate) fn edge_hit(&self) {
        add!(self.edge_hits, 1);
    }

    pub(crate) fn stale(&self) {
        add!(self.stale, 1);
    }

    pub(crate) fn early(&self) {
        add!(self.early, 1);
    }

    pub(crate) fn coalesced(&self) {
        add!(self.coalesced, 1);
    }

    pub(crate) fn loaded(&self) {
        add!(self.loads, 1);
    }

    pub(crate) fn stored(&self, count: usize) {
        add!(self.stored, count);
    }

    pub(crate) fn refused(&self) {
        add!(self.refused, 1);
    }

    pub(crate) fn deleted(&self, count: u64) {
        add!(self.deleted, count);
    }

    pub(crate) fn invalidated_tags(&self, count: usize) {
        add!(self.invalidated_tags, count);
    }

    pub(crate) fn failed(&self) {
        add!(self.errors, 1);
    }

    pub(crate) fn bytes_read(&self, stored: usize, unpacked: usize) {
        add!(self.bytes_read, stored);
        add!(self.bytes_unpacked, unpacked);
    }

    pub(crate) fn bytes_written(&self, stored: usize, unpacked: usize) {
        add!(self.bytes_written, stored);
        add!(self.bytes_to_store, unpacked);
    }

    pub(crate) fn read_took(&self, duration: Duration) {
        took!(self.read_latency, duration);
    }

    pub(crate) fn write_took(&self, duration: Duration) {
        took!(self.write_latency, duration);
    }

    pub(crate) fn load_took(&self, duration: Duration) {
        took!(self.load_latency, duration);
    }
}
