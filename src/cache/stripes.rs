//! When something was last invalidated in this process, a stripe of the keys at a time.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A power of two: few enough to be small, enough that keys seldom share one.
const STRIPES: usize = 1024;

/// Counts invalidations. What was read of a key before its last one is not kept.
pub(super) struct Stripes {
    all: AtomicU64,
    stripes: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The invalidations of a key that were known at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    all: u64,
    stripe: u64,
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self {
            all: AtomicU64::new(0),
            stripes: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    fn stripe(&self, key: &str) -> &AtomicU64 {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }

    /// What has been invalidated up to now.
    pub(super) fn seen(&self, key: &str) -> Seen {
        Seen {
            all: self.all.load(Ordering::SeqCst),
            stripe: self.stripe(key).load(Ordering::SeqCst),
        }
    }

    /// This key is invalidated; a few others count as such.
    pub(super) fn touch(&self, key: &str) {
        self.stripe(key).fetch_add(1, Ordering::SeqCst);
    }

    /// Every key is invalidated.
    pub(super) fn touch_all(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_seldom_touched() {
        let stripes = Stripes::new();
        let before = stripes.seen("k");
        let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
        let seen: Vec<Seen> = keys.iter().map(|key| stripes.seen(key)).collect();
        stripes.touch("k");
        assert_ne!(stripes.seen("k"), before);
        let touched = keys.iter().zip(&seen).filter(|(key, seen)| stripes.seen(key) != **seen);
        assert!(touched.count() < 50);
        stripes.touch_all();
        assert!(keys.iter().zip(&seen).all(|(key, seen)| stripes.seen(key) != *seen));
    }
}
