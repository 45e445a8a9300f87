//! Keyed hashes that stand for keys in memory, so that its size does not depend on what callers send.

use std::hash::{BuildHasher, RandomState};

/// Makes 128-bit hashes with keys of this process, which nobody outside can predict.
#[derive(Debug, Clone, Default)]
pub(super) struct Fingerprints(RandomState, RandomState);

impl Fingerprints {
    pub(super) fn of(&self, key: &str) -> u128 {
        u128::from(self.0.hash_one(key)) << 64 | u128::from(self.1.hash_one(key))
    }
}
