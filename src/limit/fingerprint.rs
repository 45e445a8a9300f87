//! Keyed hashes that stand for keys in memory, so that its size does not depend on what callers send.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

use crate::platform;

/// Makes 128-bit hashes with keys of this process, which nobody outside can predict.
#[derive(Clone, Default)]
pub(super) struct Fingerprints {
    states: (RandomState, RandomState),
    /// On wasm32 the states are not random. It is made at the first hash, because a Worker has no randomness in its global
    /// scope, where limiters are built.
    seed: OnceLock<u128>,
}

impl Fingerprints {
    pub(super) fn of(&self, key: impl Hash) -> u128 {
        let seed = self.seed.get_or_init(|| platform::random().map_or(0, u128::from_le_bytes));
        let key = (seed, key);
        u128::from(self.states.0.hash_one(&key)) << 64 | u128::from(self.states.1.hash_one(&key))
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprints").finish_non_exhaustive()
    }
}
