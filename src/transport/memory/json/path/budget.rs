//! How much work one command may do in documents, so that no path takes the engine for long.

use std::cell::Cell;

use crate::transport::memory::steps;
use crate::{Error, Result};

/// A value that is looked at, and a short stretch of a text, cost one. All elements of a large document fit; a path that walks
/// over it many times does not.
const MAX_WORK: usize = if cfg!(target_arch = "wasm32") { 4 << 20 } else { 16 << 20 };

/// The work that a command may still do.
pub(in crate::transport::memory) struct Budget {
    left: Cell<usize>,
}

impl Budget {
    pub(in crate::transport::memory) fn new() -> Self {
        Self { left: Cell::new(MAX_WORK) }
    }

    /// A smaller one.
    #[cfg(test)]
    pub(super) fn of(work: usize) -> Self {
        Self { left: Cell::new(work) }
    }

    /// # Errors
    /// If less than that is left.
    pub(in crate::transport::memory) fn spend(&self, work: usize) -> Result<()> {
        steps::count(work);
        match self.left.get().checked_sub(work) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(Error::server("ERR the path looks at too many values")),
        }
    }
}
