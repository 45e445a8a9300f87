//! Loading through the cache: a hit, or a load whose value is stored for the next reader.

use std::future::Future;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::outage::Access;
use super::{Cache, Tier, Ttl, decode, encode};
use crate::command::strings::StringCommands;
use crate::platform::{self, BoxFuture, MaybeSend, MaybeSync};
use crate::{BoxError, Error, ErrorKind, Key, Result};

/// What a value may be that is loaded through the cache.
pub trait Cached: Serialize + DeserializeOwned + MaybeSend + MaybeSync {}
impl<T: Serialize + DeserializeOwned + MaybeSend + MaybeSync> Cached for T {}

/// What looking up an entry came to.
pub(crate) enum Lookup<T> {
    Found(T),
    Missing,
    /// The cache did not answer, and the tier forgives that.
    Unavailable,
}

impl<T> Lookup<T> {
    pub(crate) fn found(self) -> Option<T> {
        match self {
            Self::Found(value) => Some(value),
            Self::Missing | Self::Unavailable => None,
        }
    }

    fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }
}

impl Cache {
    /// The value of a key; if it is not cached, what `load` gives, stored for `ttl`. A hit is one GET; a miss costs two
    /// more commands, a SET and a script.
    ///
    /// A value whose entry was deleted while it was loaded is returned but not stored. A stored text that is not the
    /// JSON of a `T` counts as missing. When the cache is away, the [tier](super::CacheOptions::tier) decides: by
    /// default `load` is asked, and one warning is logged for the outage.
    ///
    /// # Errors
    /// The loader's, as [`ErrorKind::Store`]; the cache's in the tier
    /// [`Tier::Critical`]; [`ErrorKind::InvalidInput`] if the time to live is zero.
    pub fn get_or_load<'a, T, E, F>(
        &'a self,
        key: &'a Key,
        ttl: impl Into<Ttl>,
        load: impl FnOnce() -> F + MaybeSend + 'a,
    ) -> BoxFuture<'a, Result<T>>
    where
        T: Cached + 'a,
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let ttl = ttl.into();
        platform::send(async move {
            ttl.millis()?;
            let load = async { load().await.map_err(Error::store) };
            match self.lookup(key).await? {
                Lookup::Found(value) => Ok(value),
                Lookup::Missing => self.fill(key, |_| Some(ttl), load).await,
                Lookup::Unavailable => self.load_without_cache(load).await,
            }
        })
    }

    /// Looks a value up.
    pub(crate) async fn lookup<T: DeserializeOwned>(&self, key: &Key) -> Result<Lookup<T>> {
        let found = self.peek(key).await?;
        self.count_reads(usize::from(found.is_found()), 1);
        Ok(found)
    }

    /// Looks a value up for a load that is under way, whose read has been counted.
    pub(crate) async fn peek<T: DeserializeOwned>(&self, key: &Key) -> Result<Lookup<T>> {
        let found: Option<Option<Bytes>> =
            self.forgiven(Access::Read, self.client.get(key).await)?;
        self.read(key, found)
    }

    /// Looks many values up in one round trip.
    pub(crate) async fn lookup_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Lookup<T>>> {
        let found: Option<Vec<Option<Bytes>>> =
            self.forgiven(Access::Read, self.client.mget(keys).await)?;
        let found = match found {
            Some(found) => found.into_iter().map(Some).collect(),
            None => vec![None; keys.len()],
        };
        let found = found.into_iter().zip(keys).map(|(bytes, key)| self.read(key, bytes));
        let found = found.collect::<Result<Vec<Lookup<T>>>>()?;
        self.count_reads(found.iter().filter(|found| found.is_found()).count(), keys.len());
        Ok(found)
    }

    /// Makes a value of what was found. A text of another form counts as missing, and is overwritten by the next load.
    fn read<T: DeserializeOwned>(
        &self,
        key: &Key,
        found: Option<Option<Bytes>>,
    ) -> Result<Lookup<T>> {
        Ok(match found {
            None => Lookup::Unavailable,
            Some(None) => Lookup::Missing,
            Some(Some(bytes)) => match self.forgiven(Access::Read, decode(key, &bytes))? {
                Some(value) => Lookup::Found(value),
                None => Lookup::Missing,
            },
        })
    }

    /// Loads a value while the cache is away.
    pub(crate) async fn load_without_cache<T>(
        &self,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.shared.counters.loaded();
        load.await
    }

    /// Loads a value that is missing, and stores it for as long as `ttl_of` says; `None` is not stored.
    pub(crate) async fn fill<T: Serialize>(
        &self,
        key: &Key,
        ttl_of: impl Fn(&T) -> Option<Ttl>,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let lease = self.forgiven(Access::Write, self.take_lease(key).await)?;
        self.shared.counters.loaded();
        let value = load.await?;
        let (Some(lease), Some(ttl)) = (lease, ttl_of(&value)) else {
            return Ok(value);
        };
        let stored = async {
            let json = encode(key, &value)?;
            self.store_leased(key, &lease, &json, ttl.millis()?).await
        };
        match self.forgiven(Access::Write, stored.await)? {
            Some(true) => self.shared.counters.stored(1),
            Some(false) => self.shared.counters.refused(),
            None => {}
        }
        Ok(value)
    }

    /// Counts a failure, and forgives it where the tier allows that.
    fn forgiven<T>(&self, access: Access, result: Result<T>) -> Result<Option<T>> {
        self.forgive(access, self.counted(access, result))
    }

    /// Deletes an entry; a failure is forgiven where the tier allows it.
    pub(crate) async fn delete_forgiving(&self, key: &Key) -> Result<()> {
        self.forgive(Access::Write, self.delete(key).await).map(|_| ())
    }

    /// Turns a failure into `None` and a log line, where the tier allows it.
    fn forgive<T>(&self, access: Access, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.options.tier == Tier::Critical => Err(error),
            Err(error) if error.kind() == ErrorKind::Codec => {
                tracing::warn!(%error, "a cached value is ignored");
                Ok(None)
            }
            Err(error) => {
                self.shared.outage.degraded(access, self.options.tier, &error);
                Ok(None)
            }
        }
    }
}
