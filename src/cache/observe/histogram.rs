use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// The upper bounds of the buckets, in microseconds.
const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Durations, counted in buckets from 0.1 ms to 10 s. In a Worker the clock advances only with I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Histogram {
    /// The number of durations.
    pub count: u64,
    /// Their sum, in microseconds.
    pub sum_micros: u64,
    #[serde(skip)]
    buckets: [u64; BOUNDS.len()],
}

impl Histogram {
    /// Each bucket's upper bound in seconds, and how many durations were not longer.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.iter().zip(&self.buckets).scan(0, |so_far, (bound, count)| {
            *so_far += count;
            Some((*bound as f64 / 1e6, *so_far))
        })
    }

    /// An upper bound of this quantile (0 to 1), in seconds. `None` if it is beyond the last bucket, or nothing was
    /// counted.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = (self.count as f64 * part.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        self.buckets().find(|(_, count)| *count >= wanted).map(|(bound, _)| bound)
    }
}

#[derive(Debug, Default)]
pub(super) struct AtomicHistogram {
    count: AtomicU64,
    sum_micros: AtomicU64,
    buckets: [AtomicU64; BOUNDS.len()],
}

impl AtomicHistogram {
    pub(super) fn took(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(at) = BOUNDS.iter().position(|bound| micros <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn load(&self, order: Ordering) -> Histogram {
        Histogram {
            count: self.count.load(order),
            sum_micros: self.sum_micros.load(order),
            buckets: std::array::from_fn(|at| self.buckets[at].load(order)),
        }
    }

    pub(super) fn clear(&self) {
        self.count.store(0, Ordering::Relaxed);
        self.sum_micros.store(0, Ordering::Relaxed);
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let histogram = AtomicHistogram::default();
        for millis in [0, 1, 1, 30, 20_000] {
            histogram.took(Duration::from_millis(millis));
        }
        let histogram = histogram.load(Ordering::Relaxed);
        assert_eq!((histogram.count, histogram.sum_micros), (5, 20_032_000));
        let counts: Vec<u64> = histogram.buckets().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 1, 1, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4]);
        assert_eq!(histogram.quantile(0.5), Some(0.001));
        assert_eq!(histogram.quantile(0.8), Some(0.05));
        assert_eq!(histogram.quantile(1.0), None);
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
