//! Warming: loading values before they are asked for.

mod usage;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::Serialize;

pub use self::usage::Usage;
use super::{Cache, Cached, LoadOptions};
use crate::platform::{self, Instant, Local, MaybeSend, MaybeSync};
use crate::{BoxError, Key, Result};

/// How a cache is warmed.
///
/// | setting | default |
/// |---|---|
/// | [`concurrency`](Self::concurrency) | 4 |
/// | [`per_second`](Self::per_second) | no limit |
/// | [`give_up_after`](Self::give_up_after) | 10 failures in a row |
/// | [`progress`](Self::progress) | none |
///
/// ```
/// use edgecask::cache::{Ttl, WarmOptions};
///
/// let options = WarmOptions::new(Ttl::seconds(300)).concurrency(2).per_second(50.0);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct WarmOptions {
    load: LoadOptions,
    concurrency: usize,
    interval: Duration,
    give_up_after: usize,
    progress: Option<Local<Arc<dyn OnProgress>>>,
}

trait OnProgress: Fn(Warmed) + MaybeSend + MaybeSync {}
impl<F: Fn(Warmed) + MaybeSend + MaybeSync> OnProgress for F {}

/// The progress of warming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Warmed {
    /// How many keys are done, with or without success.
    pub done: usize,
    /// Keys whose value was loaded or already cached.
    pub succeeded: usize,
    /// Keys whose load failed.
    pub failed: usize,
    /// Whether warming was given up after too many failures in a row.
    pub given_up: bool,
}

impl WarmOptions {
    /// The defaults, for values that are loaded and stored with these options.
    pub fn new(load: impl Into<LoadOptions>) -> Self {
        Self {
            load: load.into(),
            concurrency: 4,
            interval: Duration::ZERO,
            give_up_after: 10,
            progress: None,
        }
    }

    /// How many loads run at the same time, at least 1.
    #[must_use]
    pub fn concurrency(mut self, loads: usize) -> Self {
        self.concurrency = loads.max(1);
        self
    }

    /// How many loads begin in a second at most. A number that is not above 0 sets no limit.
    #[must_use]
    pub fn per_second(mut self, loads: f64) -> Self {
        self.interval = Duration::try_from_secs_f64(1.0 / loads).unwrap_or_default();
        self
    }

    /// After how many failures in a row warming is given up: too many loads failed in a row, to spare a backing store in
    /// trouble.
    #[must_use]
    pub fn give_up_after(mut self, failures: usize) -> Self {
        self.give_up_after = failures.max(1);
        self
    }

    /// Calls this function after each key.
    #[must_use]
    pub fn progress(mut self, on: impl Fn(Warmed) + MaybeSend + MaybeSync + 'static) -> Self {
        self.progress = Some(Local::new(Arc::new(on)));
        self
    }
}

impl fmt::Debug for WarmOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmOptions")
            .field("load", &self.load)
            .field("concurrency", &self.concurrency)
            .field("interval", &self.interval)
            .field("give_up_after", &self.give_up_after)
            .finish_non_exhaustive()
    }
}

impl Cache {
    /// Loads those of these keys that are not cached, a few at a time. A key that is cached costs one GET. Use it on start,
    /// for a user who has just logged in, or for the keys that [`Usage`] counts as recent or frequent.
    ///
    /// It does not fail. It reports failures, and gives up after too many in a row.
    ///
    /// ```
    /// use edgecask::{Client, Keyspace, cache::{Cache, Ttl, WarmOptions}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let users = Keyspace::new(["app", "user"])?;
    /// let keys = [users.key(["1"])?, users.key(["2"])?];
    /// let load = |key| async move { Ok::<_, std::io::Error>(format!("the user of {key}")) };
    /// let warmed = cache.warm(keys, WarmOptions::new(Ttl::seconds(300)), load).await;
    /// assert_eq!(warmed.succeeded, 2);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn warm<T, E, F>(
        &self,
        keys: impl IntoIterator<Item = Key>,
        options: WarmOptions,
        load: impl Fn(Key) -> F + MaybeSend + MaybeSync,
    ) -> Warmed
    where
        T: Cached,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let (start, load, options_of_loads) = (Instant::now(), &load, &options.load);
        let keys: Vec<Key> = keys.into_iter().collect();
        let interval = options.interval;
        let loads = keys.into_iter().enumerate().map(|(number, key)| async move {
            let due = interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
            let early = due.saturating_sub(start.elapsed());
            if !early.is_zero() {
                platform::sleep(early).await;
            }
            let asked = key.clone();
            self.get_or_load(&key, options_of_loads.clone(), || load(asked)).await.map(|_: T| ())
        });
        let mut loads = stream::iter(loads).buffer_unordered(options.concurrency);
        let (mut warmed, mut in_a_row) = (Warmed::default(), 0);
        while let Some(loaded) = loads.next().await {
            warmed.done += 1;
            match loaded {
                Ok(()) => {
                    warmed.succeeded += 1;
                    in_a_row = 0;
                }
                Err(error) => {
                    warmed.failed += 1;
                    in_a_row += 1;
                    tracing::debug!(%error, "a value could not be warmed");
                    warmed.given_up = in_a_row >= options.give_up_after;
                }
            }
            if let Some(progress) = &options.progress {
                progress(warmed);
            }
            if warmed.given_up {
                tracing::warn!(failed = warmed.failed, "warming is given up");
                break;
            }
        }
        warmed
    }

    /// Warms the cache repeatedly, each time with the keys that `keys` returns, and `period` after the last run ended. It
    /// never returns: `tokio::spawn` it.
    pub async fn warm_every<T, E, F, K, I>(
        &self,
        period: Duration,
        keys: impl Fn() -> K + MaybeSend + MaybeSync,
        options: WarmOptions,
        load: impl Fn(Key) -> F + MaybeSend + MaybeSync,
    ) where
        T: Cached,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend,
        K: Future<Output = Result<I>> + MaybeSend,
        I: IntoIterator<Item = Key>,
    {
        loop {
            match keys().await {
                Ok(keys) => {
                    let warmed = self.warm(keys, options.clone(), &load).await;
                    tracing::debug!(?warmed, "the cache has been warmed");
                }
                Err(error) => tracing::warn!(%error, "the keys to warm could not be listed"),
            }
            platform::sleep(period).await;
        }
    }
}
