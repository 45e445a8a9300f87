//! The state that all requests of a layer share.

use std::sync::Arc;

use super::HttpCacheOptions;
use super::memory::Memory;
use super::single_flight::SingleFlight;
use crate::cache::Cache;

/// The cache and its options, the memory of this process, and the requests under way.
#[derive(Clone)]
pub(super) struct Core {
    pub(super) cache: Cache,
    pub(super) options: Arc<HttpCacheOptions>,
    pub(super) memory: Arc<Memory>,
    pub(super) single_flight: Arc<SingleFlight>,
}

impl Core {
    pub(super) fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        let memory = Arc::new(Memory::new(options.memory));
        Self { cache, options: Arc::new(options), memory, single_flight: Arc::default() }
    }
}
