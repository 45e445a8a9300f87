//! The source of a snapshot.

use crate::transport::memory::keyspace::Step;

/// The content to save, in steps that each take a short time.
pub(in crate::transport::memory) trait Source {
    /// How many changes there were.
    fn changes(&mut self) -> u64;

    /// Begins to write all that is there now, and returns the number of changes up to now.
    fn begin(&mut self, out: &mut Vec<u8>) -> u64;

    /// Writes more of it.
    fn step(&mut self, out: &mut Vec<u8>) -> Step;

    /// Ends the writing, complete or not.
    fn end(&mut self);
}
