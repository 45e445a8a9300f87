//! Loading through the cache: a hit, or a load whose value is stored for the next reader.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::flight::{Landed, Seat};
use super::lease::{Lease, LeaseOrValue};
use super::outage::Access;
use super::{Cache, Tier, Ttl, decode, encode};
use crate::command::strings::StringCommands;
use crate::platform::{self, BoxFuture, MaybeSend, MaybeSync};
use crate::{BoxError, Error, ErrorKind, Key, Result};

/// What a value may be that is loaded through the cache.
pub trait Cached: Serialize + DeserializeOwned + MaybeSend + MaybeSync {}
impl<T: Serialize + DeserializeOwned + MaybeSend + MaybeSync> Cached for T {}

/// What a load gave.
struct Loaded<T> {
    value: T,
    /// Its stored form, if it has one.
    bytes: Option<Bytes>,
    stored: bool,
}

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
    /// The value of a key; if it is not cached, what `load` gives, stored for `ttl`. A hit is one GET, or none if the
    /// first tier has it; a miss costs two more commands, a SET and a script.
    ///
    /// Many who miss the same key at the same time share one load: in this process
    /// ([`coalesce`](super::CacheOptions::coalesce)), and across processes for as long as
    /// [`lease_wait`](super::CacheOptions::lease_wait) says. Nobody gets a value whose load began before a write that
    /// had returned when he asked.
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
            if let Some(value) = self.near(key) {
                return Ok(value);
            }
            // The seat is taken before the lookup, so that a load which lands in between counts for it.
            let seat = self.seat(key);
            let found = self.lookup(key).await?;
            self.resolve(key, seat, found, move |_| Some(ttl), load).await
        })
    }

    /// A seat for a load that may follow a lookup.
    pub(crate) fn seat<'a>(&'a self, key: &'a Key) -> Option<Seat<'a>> {
        self.options.coalesce.then(|| self.shared.flights.join(key))
    }

    /// What was looked up; if it is missing, what `load` gives, stored for as long as `ttl_of` says (`None`: not at all).
    /// One load at a time in this process, and across processes as far as leases can tell.
    pub(crate) async fn resolve<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        seat: Option<Seat<'_>>,
        found: Lookup<T>,
        ttl_of: impl Fn(&T) -> Option<Ttl>,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let missing = match found {
            Lookup::Found(value) => return Ok(value),
            Lookup::Missing => true,
            Lookup::Unavailable => false,
        };
        let Some(seat) = seat else {
            return self.load_once(key, missing, ttl_of, load).await.map(|loaded| loaded.value);
        };
        let flight = Arc::clone(&seat.flight);
        let mut landed = flight.landed.lock().await;
        if let Some(landed) = landed.as_ref().filter(|landed| seat.accepts(landed)) {
            self.shared.counters.coalesced();
            return landed.result.clone().and_then(|bytes| decode(key, &bytes));
        }
        let began = seat.begin();
        let loaded = self.load_once(key, missing, ttl_of, load).await;
        *landed = match &loaded {
            Ok(Loaded { bytes: Some(bytes), stored, .. }) => {
                Some(Landed::new(Ok(bytes.clone()), began, *stored))
            }
            Ok(_) => None,
            Err(error) => Some(Landed::new(Err(error.clone()), began, false)),
        };
        seat.land();
        loaded.map(|loaded| loaded.value)
    }

    /// Loads a value, unless another process is seen to do so and stores one in time.
    async fn load_once<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        missing: bool,
        ttl_of: impl Fn(&T) -> Option<Ttl>,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Loaded<T>> {
        let generation = self.generation();
        let lease = match missing {
            true => self.forgiven(Access::Write, self.lease_or_value(key).await)?,
            false => None,
        };
        let lease = match lease {
            Some(LeaseOrValue::Value(bytes)) => {
                if let Some(value) = self.forgiven(Access::Read, decode(key, &bytes))? {
                    self.shared.counters.coalesced();
                    self.keep_near(key, bytes.clone(), generation, None);
                    return Ok(Loaded { value, bytes: Some(bytes), stored: true });
                }
                None
            }
            Some(LeaseOrValue::Lease(lease)) => Some(lease),
            None => None,
        };
        self.shared.counters.loaded();
        let value = load.await?;
        let bytes = self.encoded(key, &value)?;
        let mut stored = false;
        if let (Some(lease), Some(bytes), Some(ttl)) = (lease, &bytes, ttl_of(&value)) {
            stored = self.store_loaded(key, &lease, bytes, ttl).await?;
            if stored {
                self.keep_near(key, bytes.clone(), generation, ttl.duration());
            }
        }
        Ok(Loaded { value, bytes, stored })
    }

    /// Stores what was loaded, if its lease still holds.
    async fn store_loaded(&self, key: &Key, lease: &Lease, bytes: &[u8], ttl: Ttl) -> Result<bool> {
        let stored = self.store_leased(key, lease, bytes, ttl.millis()?).await;
        Ok(match self.forgiven(Access::Write, stored)? {
            Some(true) => {
                self.shared.counters.stored(1);
                true
            }
            Some(false) => {
                self.shared.counters.refused();
                false
            }
            None => false,
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
        let generation = self.generation();
        let found: Option<Option<Bytes>> =
            self.forgiven(Access::Read, self.client.get(key).await)?;
        let looked = self.read(key, found.clone())?;
        if let (Some(Some(bytes)), Lookup::Found(_)) = (found, &looked) {
            self.keep_near(key, bytes, generation, None);
        }
        Ok(looked)
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
        if let Some(bytes) = self.encoded(key, &value)? {
            self.store_loaded(key, &lease, &bytes, ttl).await?;
        }
        Ok(value)
    }

    /// The stored form of a loaded value. It says nothing about whether the cache is there.
    fn encoded<T: Serialize>(&self, key: &Key, value: &T) -> Result<Option<Bytes>> {
        let encoded = encode(key, value).inspect_err(|_| self.shared.counters.failed());
        Ok(self.forgive(Access::Write, encoded)?.map(Bytes::from))
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
