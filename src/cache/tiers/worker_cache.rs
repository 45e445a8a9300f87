use std::time::Duration;

use bytes::Bytes;

use super::EdgeStore;
use crate::Result;
use crate::platform::{self, BoxFuture};

/// The Cache API of a Worker (`caches.default`), which the Workers of a zone share in each of Cloudflare's data centers.
/// Each call counts as a subrequest. It keeps values for whole seconds, counted from when they were read, so a ttl below 2
/// seconds would keep nothing, and it is not used.
///
/// ```ignore
/// let options = CacheOptions::new().edge(WorkerCache::open()?, Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WorkerCache(());

impl WorkerCache {
    /// The default cache. It holds no object of a request, so all requests of a Worker may share it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no `caches.default`, outside of a Worker.
    pub fn open() -> Result<Self> {
        platform::worker_cache::check().map(|()| Self(()))
    }
}

impl EdgeStore for WorkerCache {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        platform::worker_cache::get(key)
    }

    fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        platform::worker_cache::put(key, stored, ttl)
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        platform::worker_cache::delete(key)
    }

    fn min_ttl(&self) -> Duration {
        Duration::from_secs(2)
    }
}
