//! Random numbers of a seed, and what the environment says of seeds and cases.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The number in this environment variable.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many cases to try: as many as `EDGECASK_TEST_CASES` says, or `short` of them.
pub fn cases(short: u64) -> u64 {
    number("EDGECASK_TEST_CASES").unwrap_or(short)
}

/// The seeds of the cases: as many as [`cases`] says, from `EDGECASK_TEST_SEED` on.
pub fn seeds(short: u64) -> std::ops::Range<u64> {
    let first = number("EDGECASK_TEST_SEED").unwrap_or(1);
    first..first + cases(short)
}

/// The seed of `EDGECASK_TEST_SEED`. Without it, a short run has the same seed each time, so that a change alone can make it
/// fail; a run with `EDGECASK_TEST_CASES` or `PROPTEST_CASES` has one that no other run has.
pub fn seed() -> u64 {
    let is_long =
        ["EDGECASK_TEST_CASES", "PROPTEST_CASES"].iter().any(|name| number(name).is_some());
    let fresh = || std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos() as u64;
    number("EDGECASK_TEST_SEED").unwrap_or_else(|| if is_long { fresh() } else { 1 })
}

/// Runs cases of random values, which depend on the seed alone.
pub fn runner(config: Config, seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// Random numbers of a seed (SplitMix64). Clones draw from the same numbers, so tasks can share them.
#[derive(Debug, Clone)]
pub struct Dice(Arc<AtomicU64>);

impl Dice {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }

    /// The next number, from 0 to `sides - 1`.
    pub fn roll(&self, sides: u64) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(GOLDEN, Ordering::SeqCst).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}
