//! The options of an embedded engine.

#[cfg(not(target_arch = "wasm32"))]
use std::path::{Path, PathBuf};
#[cfg(not(target_arch = "wasm32"))]
use std::time::Duration;

use super::dialect::Dialect;
use super::eviction::{Eviction, Limits};

/// How much an embedded engine may hold, and what it does when it is full.
///
/// By default it holds at most 1 GiB (64 MiB on wasm32) and evicts nothing: a command that needs more memory fails with `OOM`, as
/// in a Redis that has a `maxmemory`. The bytes are estimated: keys, values, and what the tables around them take. They are
/// compared before each command, so one command can exceed the bound by what it writes. A script or a transaction can exceed it by
/// half of it (8 MiB at least); then its commands that need more memory fail. `CONFIG SET maxmemory` and
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

    /// The server that it answers like where Upstash and Redis differ. Default: [`Dialect::Redis`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Keeps the content in this file, which [`MemoryTransport::open`](super::MemoryTransport::open) loads at the start. Not on
    /// wasm32.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn snapshot(self, path: impl Into<PathBuf>) -> SnapshotOptions {
        SnapshotOptions { memory: self, path: path.into(), every: Some(SnapshotOptions::INTERVAL) }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }
}

/// The options of an embedded engine whose content is kept in a file; see
/// [`MemoryTransport::open`](super::MemoryTransport::open).
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::transport::memory::MemoryOptions;
///
/// let options = MemoryOptions::new().snapshot("data.rdb").every(Some(Duration::from_secs(10)));
/// ```
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    memory: MemoryOptions,
    path: PathBuf,
    every: Option<Duration>,
}

#[cfg(not(target_arch = "wasm32"))]
impl SnapshotOptions {
    const INTERVAL: Duration = Duration::from_secs(60);

    /// How long after a save the next one begins, if something has changed. `None`: the engine is saved when its last handle is
    /// process is killed.
    #[must_use]
    pub fn every(mut self, interval: Option<Duration>) -> Self {
        self.every = interval;
        self
    }

    pub(super) fn memory(&self) -> &MemoryOptions {
        &self.memory
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn interval(&self) -> Option<Duration> {
        self.every
    }
}
