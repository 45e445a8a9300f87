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

/// What a value may be that is loaded through the cache.
pub trait Cached: Serialize + DeserializeOwned + MaybeSend + MaybeSync {}
impl<T: Serialize + DeserializeOwned + MaybeSend + MaybeSync> Cached for T {}

impl Cache {
    /// The value of a key; if it is not cached, what `load` gives, stored as the options say. A hit is one GET, or none
    /// if the first tier has it; a miss costs two more round trips of one script each. With tags or a generation it is one
    /// MGET more after the value is stored, one more before it is loaded if Redis still holds an entry that was invalidated,
    /// and a round trip for tags that have no version yet.
    ///
    /// Many who miss the same key at the same time share one load: in this process
    /// ([`coalesce`](crate::cache::CacheOptions::coalesce)), and across processes for as long as the
    /// [`lease`](crate::cache::CacheOptions::lease) of who loads lives; it is renewed while the loader runs. A caller never gets a value whose load began before a write or an
    /// invalidation that had returned when it called.
    ///
    /// A value whose entry was invalidated while it was loaded is returned but not stored. What is stored but is no `T`
    /// counts as missing. If the load fails, a value that is not yet stale for as long as
    /// [`stale_if_error`](crate::cache::EntryOptions::stale_if_error) says is served. When Redis is away, the
    /// [tier](crate::cache::CacheOptions::tier) decides: by default `load` is asked.
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
            // The waiter joins before the lookup, so that a load which ends in between counts for it.
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
        // An early refresh is decided by the ordinary read.
        if options.mode == Mode::Cached
            && options.early_refresh.is_none()
            && let Some(value) = self.core.reader.near_shared(key)
        {
            return Ok(value);
        }
        self.get_or_load(key, options, load).await.map(Arc::new)
    }

    /// Joins those who want a key, before it is looked up. `None` if callers do not share loads.
    pub(crate) fn join<'a>(&'a self, key: &'a Key) -> Option<Waiter<'a>> {
        // In a Worker, only a request's own callers may wait for each other.
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

    /// Loads a value and stores it, also in the place of somebody else who is loading.
    pub(crate) async fn replace<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.core.loader.replace(key, options, &self.scope.background, load).await
    }
}
