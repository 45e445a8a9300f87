//! The options of an embedded engine.

use super::dialect::Dialect;
use super::eviction::{Eviction, Limits};

/// How much an embedded engine may hold, and what it does when it is full.
///
/// By default it holds at most 1 GiB (64 MiB on wasm32) and evicts nothing: a command that needs more memory fails with `OOM`, as
/// in a Redis that has a `maxmemory`. The bytes are estimated: keys, values, and what the tables around them take. They are
/// compared before each command, so one command can exceed the bound by what it writes. `CONFIG SET maxmemory` and
/// `maxmemory-policy` change both at run time.
#[derive(Debug, Clone, Default)]
pub struct MemoryOptions {
    limits: Limits,
    pub(super) dialect: Dialect,
}

impl MemoryOptions {
    /// The default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most bytes that keys and values may take together; 0 for no bound.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_bytes = (bytes > 0).then_some(bytes);
        self
    }

    /// Which keys are evicted when it is full.
    #[must_use]
    pub fn eviction(mut self, policy: Eviction) -> Self {
        self.limits.eviction = policy;
        self
    }

    /// Whose answers it gives where Upstash and Redis differ. Default: [`Dialect::Redis`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }
}
