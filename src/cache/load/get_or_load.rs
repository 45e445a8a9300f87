use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::deadline::within;
use super::options::{LoadOptions, Mode};
use super::single_flight::Waiter;
use crate::cache::Cache;
use crate::platform::{self, BoxFuture, MaybeSend, MaybeSync};
use crate::{BoxError, Error, Key, Result};

/// A type of value that can be loaded through the cache.
pub trait Cached: Serialize + DeserializeOwned + MaybeSend + MaybeSync {}
impl<T: Serialize + DeserializeOwned + MaybeSend + MaybeSync> Cached for T {}

impl Cache {
    /// Returns the value of a key. If it is not cached, `load` is called, and its value is stored as the options say. A hit
    /// costs one GET, or nothing if the first tier has it. A miss costs two more round trips of one script each: the first
    /// takes the lease, the second stores the value. With tags or a generation, the first also has a script for each tag that
    /// has no version yet, or whose version an entry of more than a day needs for longer, and the second an MGET. If Redis
    /// still holds an entry that was invalidated, one more MGET comes before the load.
    ///
    /// Callers that miss the same key at the same time share one load: in this process
    /// ([`coalesce`](crate::cache::CacheOptions::coalesce)), and across processes by a
    /// [`lease`](crate::cache::CacheOptions::lease), which is renewed while the loader runs. If a write or an invalidation
    /// returned before this call began, the call never gets a value whose load began before it.
    ///
    /// If the entry is invalidated while the value is loaded, the value is returned but not stored. A stored value that is
    /// not a `T` counts as missing. If the load fails, a stale value is served, if it is not older than
    /// [`stale_if_error`](crate::cache::EntryOptions::stale_if_error) allows. When Redis is away, the
    /// [tier](crate::cache::CacheOptions::tier) decides: by default `load` is called.
    ///
    /// # Errors
    /// The loader's, as [`ErrorKind::Store`](crate::ErrorKind::Store); [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after the
    /// [`hard_timeout`](crate::cache::LoadOptions::hard_timeout); the client's in the tier
    /// [`Tier::Critical`](crate::cache::Tier::Critical); [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the time to live is zero, or the cache is
    /// [`Form::Plain`](crate::cache::Form::Plain) and the options ask for more.
    pub fn get_or_load<'a, T, E, F>(
        &'a self,
        key: &'a Key,
        options: impl Into<LoadOptions>,
        load: impl FnOnce() -> F + MaybeSend + 'a,
    ) -> BoxFuture<'a, Result<T>>
    where
        T: Cached + 'a,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let options = options.into();
        platform::send(|| async move {
            let loader = &self.core.loader;
            let load = async { load().await.map_err(Error::loader) };
            if options.mode == Mode::Bypass {
                return loader.load_uncached(within(&options, load)).await?;
            }
            self.check_load(&options)?;
            // The waiter joins before the lookup, so that it may use the result of a load that ends in between.
            let waiter = self.join(key);
            let found = self.find(key, &options).await?;
            loader.resolve(key, waiter, found, &options, &self.scope.background, load).await
        })
    }

    /// As [`Cache::get_or_load`]; a hit in the first tier decodes nothing, as for [`Cache::get_shared`].
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`].
    pub async fn get_or_load_shared<T, E, F>(
        &self,
        key: &Key,
        options: impl Into<LoadOptions>,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<Arc<T>>
    where
        T: Cached + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let options = options.into();
        // The ordinary read decides whether an early refresh is due.
        if options.mode == Mode::Cached
            && options.early_refresh.is_none()
            && let Some(value) = self.core.reader.get_shared_from_l1(key)
        {
            return Ok(value);
        }
        self.get_or_load(key, options, load).await.map(Arc::new)
    }

    /// Joins the single-flight call of a key, before the key is looked up. `None` if callers do not share loads.
    pub(crate) fn join<'a>(&'a self, key: &'a Key) -> Option<Waiter<'a>> {
        // In a Worker, only callers of the same request may wait for each other.
        let may_wait = platform::shares_futures() || self.scope.background.has_hook();
        (self.options().coalesce && may_wait).then(|| self.scope.single_flight.join(key))
    }

    pub(super) fn check_load(&self, options: &LoadOptions) -> Result<()> {
        options.check()?;
        self.check(&options.entry)
    }

    /// Loads a value while Redis is away; counts the load.
    pub(crate) async fn load_uncached<T>(&self, load: impl Future<Output = T>) -> T {
        self.core.loader.load_uncached(load).await
    }

    /// Loads a value and stores it, and takes the lease over if another load holds it.
    pub(crate) async fn replace<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.core.loader.replace(key, options, &self.scope.background, load).await
    }
}
