//! The state that all requests of a layer share.

use std::sync::Arc;

use async_lock::Semaphore;

use super::HttpCacheOptions;
use super::memory::Memory;
use super::single_flight::SingleFlight;
use crate::cache::Cache;

/// How many large bodies are written at the same time.
const LARGE_WRITES: usize = 4;

/// The cache and its options, the memory of this process, and the requests under way.
#[derive(Clone)]
pub(super) struct Core {
    pub(super) cache: Cache,
    pub(super) options: Arc<HttpCacheOptions>,
    pub(super) memory: Arc<Memory>,
    pub(super) single_flight: Arc<SingleFlight>,
    /// Permits to write a large body: each is copied while it is written.
    pub(super) large_writes: Arc<Semaphore>,
}

impl Core {
    pub(super) fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        let memory = Arc::new(Memory::new(options.memory));
        let large_writes = Arc::new(Semaphore::new(LARGE_WRITES));
        let (options, single_flight) = (Arc::new(options), Arc::default());
        Self { cache, options, memory, single_flight, large_writes }
    }
}
