//! Loading in the background, while a stale value is served.

use std::future::Future;

use futures_util::future::{Either, select};

use super::load::Terms;
use super::load_options::Mode;
use super::permit::Others;
use super::tags::Versions;
use super::{Cache, Cached, LoadOptions, Lookup};
use crate::platform::{self, BoxFuture, MaybeSend};
use crate::{BoxError, Error, Key, Result};

impl Cache {
    /// As [`Cache::get_or_load`], with a load that may outlive the call:
    ///
    /// - A value that is not stale for longer than
    ///   [`stale_while_revalidate`](super::EntryOptions::stale_while_revalidate) is served at once, and loaded anew in the
    ///   background, by one process at a time; so is one whose [early refresh](super::LoadOptions::early_refresh) is due.
    /// - A value that is not stale for longer than [`stale_if_error`](super::EntryOptions::stale_if_error) is served when
    ///   its load takes longer than the [`soft_timeout`](super::LoadOptions::soft_timeout); the load goes on.
    ///
    /// In a Worker, give the background a place: [`Cache::wait_until`].
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
            let load = async { load().await.map_err(Error::store) };
            self.check_load(&options)?;
            let seat = self.seat(key);
            let (found, versions) = self.find(key, &options).await?;
            let Lookup::Stale(value, age) = found else {
                return self.resolve(key, seat, found, versions, &options, load).await;
            };
            if age <= options.entry.stale_while_revalidate {
                if !age.is_zero() {
                    self.shared.counters.stale();
                }
                self.in_background(self.clone().revalidate(key.clone(), options, versions, load));
                return Ok(value);
            }
            let soft = options.soft_timeout.filter(|_| age <= options.entry.stale_if_error);
            let Some(soft) = soft else {
                let found = Lookup::Stale(value, age);
                return self.resolve(key, seat, found, versions, &options, load).await;
            };
            let (cache, key) = (self.clone(), key.clone());
            let loading = platform::send(|| async move {
                let seat = cache.seat(&key);
                let others = Others::WaitForThem;
                let terms = Terms { options: &options, versions, reachable: true, others };
                cache.load_shared(&key, seat, terms, load).await
            });
            match select(loading, platform::sleep(soft)).await {
                Either::Left((Ok(Some(new)), _)) => Ok(new),
                Either::Left((Ok(None), _)) => Ok(value),
                Either::Left((Err(error), _)) => Ok(self.serve_stale(value, &error)),
                Either::Right((_, loading)) => {
                    self.shared.counters.stale();
                    let cache = self.clone();
                    self.in_background(platform::send(|| async move {
                        cache.report(loading.await);
                    }));
                    Ok(value)
                }
            }
        })
    }

    /// Loads a value anew, unless somebody is at it.
    fn revalidate<T: Cached + 'static>(
        self,
        key: Key,
        options: LoadOptions,
        versions: Versions,
        load: impl Future<Output = Result<T>> + MaybeSend + 'static,
    ) -> BoxFuture<'static, ()> {
        platform::send(|| async move {
            let seat = self.seat(&key);
            let others = Others::LeaveItToThem;
            let terms = Terms { options: &options, versions, reachable: true, others };
            self.report(self.load_shared(&key, seat, terms, load).await);
        })
    }

    /// Counts a failure that no caller sees, and writes it to the log.
    fn report<T>(&self, result: Result<T>) {
        if let Err(error) = result {
            self.shared.counters.failed();
            tracing::warn!(%error, "a value could not be loaded anew in the background");
        }
    }
}
