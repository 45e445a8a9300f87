//! Random numbers by xorshift, for readers that share the keys.

use std::cell::Cell;

#[derive(Clone)]
pub(super) struct Noise(Cell<u64>);

impl Noise {
    /// A sequence that begins with this number, which is not 0.
    pub(super) fn new(first: u64) -> Self {
        Self(Cell::new(first))
    }

    pub(super) fn next(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.0.set(state);
        state
    }
}
