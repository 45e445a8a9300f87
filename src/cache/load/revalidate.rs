//! Loading in the background, while a stale value is served.

use std::future::Future;

use futures_util::future::{Either, select};

use super::loader::LoadContext;
use super::options::{LoadOptions, Mode};
use super::store_guards::OnContention;
use crate::cache::invalidate::Versions;
use crate::cache::lookup::Lookup;
use crate::cache::{Cache, Cached};
use crate::platform::{self, BoxFuture, MaybeSend};
use crate::{BoxError, Error, Key, Result};

impl Cache {
    /// As [`Cache::get_or_load`], but the load may continue after the call has returned:
    ///
    /// - A value that has been stale for at most
    ///   [`stale_while_revalidate`](crate::cache::EntryOptions::stale_while_revalidate) is served at once and reloaded in
    ///   the background, by one process at a time. So is a fresh value whose [early
    ///   refresh](crate::cache::LoadOptions::early_refresh) is due.
    /// - A value that has been stale for at most [`stale_if_error`](crate::cache::EntryOptions::stale_if_error) is served
    ///   when its load takes longer than the [`soft_timeout`](crate::cache::LoadOptions::soft_timeout). The load continues.
    ///
    /// In a Worker, background work needs [`Cache::wait_until`].
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, EntryOptions, Ttl}};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let key = Keyspace::new(["app", "rates"])?.key(["eur"])?;
    /// let options = EntryOptions::new(Ttl::seconds(60)).stale_while_revalidate(Duration::from_secs(600));
    /// let rate: f64 = cache
    ///     .get_or_revalidate(&key, options, || async { Ok::<_, std::io::Error>(1.08) })
    ///     .await?;
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`]. An error in the background is logged.
    pub fn get_or_revalidate<'a, T, E, F>(
        &'a self,
        key: &'a Key,
        options: impl Into<LoadOptions>,
        load: impl FnOnce() -> F + MaybeSend + 'static,
    ) -> BoxFuture<'a, Result<T>>
    where
        T: Cached + 'static,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend + 'static,
    {
        let options = options.into();
        platform::send(|| async move {
            if options.mode == Mode::Bypass {
                return self.get_or_load(key, options, load).await;
            }
            let (loader, background) = (&self.core.loader, &self.scope.background);
            let load = async { load().await.map_err(Error::loader) };
            self.check_load(&options)?;
            let waiter = self.join(key);
            let (found, versions) = self.find(key, &options).await?;
            let Lookup::Stale(value, age) = found else {
                let found = (found, versions);
                return loader.resolve(key, waiter, found, &options, background, load).await;
            };
            if age <= options.entry.stale_while_revalidate {
                if !age.is_zero() {
                    loader.counters().stale();
                }
                background.spawn(self.clone().revalidate(key.clone(), options, versions, load));
                return Ok(value);
            }
            let soft = options.soft_timeout.filter(|_| age <= options.entry.stale_if_error);
            let Some(soft) = soft else {
                let found = (Lookup::Stale(value, age), versions);
                return loader.resolve(key, waiter, found, &options, background, load).await;
            };
            let (cache, key) = (self.clone(), key.clone());
            let loading = platform::send(|| async move {
                cache.reload(&key, &options, versions, OnContention::Wait, load).await
            });
            match select(loading, platform::sleep(soft)).await {
                Either::Left((Ok(Some(new)), _)) => Ok(new),
                Either::Left((Ok(None), _)) => Ok(value),
                Either::Left((Err(error), _)) => Ok(loader.serve_stale(value, &error)),
                Either::Right((_, loading)) => {
                    loader.counters().stale();
                    let cache = self.clone();
                    background.spawn(platform::send(|| async move {
                        cache.report(loading.await);
                    }));
                    Ok(value)
                }
            }
        })
    }

    /// Reloads a value in the background, unless a load is under way.
    fn revalidate<T: Cached + 'static>(
        self,
        key: Key,
        options: LoadOptions,
        versions: Versions,
        load: impl Future<Output = Result<T>> + MaybeSend + 'static,
    ) -> BoxFuture<'static, ()> {
        platform::send(|| async move {
            self.report(self.reload(&key, &options, versions, OnContention::Leave, load).await);
        })
    }

    async fn reload<T: Cached>(
        &self,
        key: &Key,
        options: &LoadOptions,
        versions: Versions,
        on_contention: OnContention,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        let background = &self.scope.background;
        let context =
            LoadContext { options, versions, is_reachable: true, on_contention, background };
        let load = async { load.await.map(Some) };
        self.core.loader.load_shared(key, self.join(key), context, load).await
    }

    /// Counts and logs a failure, because no caller gets the error.
    fn report<T>(&self, result: Result<T>) {
        if let Err(error) = result {
            self.core.counters.failed();
            tracing::warn!(%error, "a value could not be reloaded in the background");
        }
    }
}
