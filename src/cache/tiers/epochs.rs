//! Epochs: each invalidation in this process starts a new epoch of its key.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A power of two: small in memory, and large enough that keys seldom share a stripe.
const STRIPES: usize = 1024;

/// Counts invalidations for each stripe of keys. A value that was read in an earlier epoch of its key is not kept.
pub(crate) struct Epochs {
    all: AtomicU64,
    stripes: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// The epoch of a key at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    all: u64,
    stripe: u64,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Self {
            all: AtomicU64::new(0),
            stripes: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    fn stripe(&self, key: &str) -> &AtomicU64 {
        &self.stripes[self.hasher.hash_one(key) as usize % STRIPES]
    }

    /// The current epoch of a key.
    pub(super) fn of(&self, key: &str) -> Epoch {
        Epoch {
            all: self.all.load(Ordering::SeqCst),
            stripe: self.stripe(key).load(Ordering::SeqCst),
        }
    }

    /// Starts a new epoch of a key, and of the few others in its stripe.
    pub(super) fn advance(&self, key: &str) {
        self.stripe(key).fetch_add(1, Ordering::SeqCst);
    }

    /// Starts a new epoch of every key.
    pub(super) fn advance_all(&self) {
        self.all.fetch_add(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_seldom_touched() {
        let epochs = Epochs::new();
        let before = epochs.of("k");
        let keys: Vec<String> = (0..1000).map(|number| format!("k{number}")).collect();
        let before_all: Vec<Epoch> = keys.iter().map(|key| epochs.of(key)).collect();
        epochs.advance("k");
        assert_ne!(epochs.of("k"), before);
        let touched =
            keys.iter().zip(&before_all).filter(|(key, before)| epochs.of(key) != **before);
        assert!(touched.count() < 50);
        epochs.advance_all();
        assert!(keys.iter().zip(&before_all).all(|(key, before)| epochs.of(key) != *before));
    }
}
