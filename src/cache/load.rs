//! Loading through the cache: a hit, or a load whose value is stored for the next reader.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entry_options::Lifetime;
use super::flight::{Landed, Seat, Turn};
use super::format::Entry;
use super::l1::Moment;
use super::load_options::Mode;
use super::permit::{Others, Permit, Permitted, Tick};
use super::tags::Versions;
use super::{Cache, EntryOptions, LoadOptions, Lookup};
use crate::platform::{self, BoxFuture, Instant, MaybeSend, MaybeSync, unix_millis};
use crate::{BoxError, Error, ErrorKind, Key, Result};

/// What a value may be that is loaded through the cache.
pub trait Cached: Serialize + DeserializeOwned + MaybeSend + MaybeSync {}
impl<T: Serialize + DeserializeOwned + MaybeSend + MaybeSync> Cached for T {}

/// What a load gave.
struct Loaded<T> {
    value: T,
    /// Its form in the codec, if it has one.
    payload: Option<Bytes>,
    /// It stands in Redis, and nothing had invalidated it up to then.
    stored: bool,
}

/// A load took longer than its caller waits.
pub(super) struct TooLong(Duration);

/// Why there is no value.
struct Failure {
    error: Error,
    /// Only the caller's own limit has passed: somebody else may have more time.
    of_caller: bool,
}

/// What is known and wanted of a load.
pub(super) struct Terms<'a> {
    pub(super) options: &'a LoadOptions,
    /// Those of the tags, as they were when the value was looked up.
    pub(super) versions: Versions,
    /// Redis answered then.
    pub(super) reachable: bool,
    pub(super) others: Others,
}

impl Cache {
    /// The value of a key; if it is not cached, what `load` gives, stored as the options say. A hit is one GET, or none
    /// if the first tier has it; a miss costs two more round trips of one script each. With tags or a generation it is one
    /// MGET more after the value is stored, and a round trip for tags that have no version yet.
    ///
    /// Many who miss the same key at the same time share one load: in this process
    /// ([`coalesce`](super::CacheOptions::coalesce)), and across processes for as long as the
    /// [`lease`](super::CacheOptions::lease) of who loads lives; it is renewed while the loader runs. Nobody gets a value whose load began before a write or an
    /// invalidation that had returned when he asked.
    ///
    /// A value whose entry was invalidated while it was loaded is returned but not stored. What is stored but is no `T`
    /// counts as missing. If the load fails, a value that is not yet stale for as long as
    /// [`stale_if_error`](super::EntryOptions::stale_if_error) says is served. When Redis is away, the
    /// [tier](super::CacheOptions::tier) decides: by default `load` is asked.
    ///
    /// # Errors
    /// The loader's, as [`ErrorKind::Store`]; [`ErrorKind::Timeout`] after the
    /// [`hard_timeout`](super::LoadOptions::hard_timeout); the client's in the tier
    /// [`Tier::Critical`](super::Tier::Critical); [`ErrorKind::InvalidInput`] if the time to live is zero, or the cache is
    /// [`Form::Plain`](super::Form::Plain) and the options ask for more.
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
            let load = async { load().await.map_err(Error::store) };
            if options.mode == Mode::Bypass {
                return self.load_without_cache(within(&options, load)).await?;
            }
            self.check_load(&options)?;
            // The seat is taken before the lookup, so that a load which lands in between counts for it.
            let seat = self.seat(key);
            let (found, versions) = self.find(key, &options).await?;
            self.resolve(key, seat, found, versions, &options, load).await
        })
    }

    /// A seat for a load that may follow a lookup.
    pub(crate) fn seat<'a>(&'a self, key: &'a Key) -> Option<Seat<'a>> {
        // In a Worker, only a request's own callers may wait for each other.
        let may_wait = platform::shares_futures() || self.wait_until.is_some();
        (self.options().coalesce && may_wait).then(|| self.flights.join(key))
    }

    pub(super) fn check_load(&self, options: &LoadOptions) -> Result<()> {
        if let Some(Some(ttl)) = options.negative_ttl {
            ttl.millis()?;
        }
        self.check(&options.entry)
    }

    /// What the first tier has, or else Redis.
    pub(crate) async fn find<T: DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
    ) -> Result<(Lookup<T>, Versions)> {
        let (mut found, versions) = self.find_many(std::slice::from_ref(key), options).await?;
        Ok((found.pop().unwrap_or(Lookup::Missing), versions))
    }

    /// What the first tier has of many keys, or else Redis, in one round trip.
    pub(crate) async fn find_many<T: DeserializeOwned>(
        &self,
        keys: &[Key],
        options: &LoadOptions,
    ) -> Result<(Vec<Lookup<T>>, Versions)> {
        if options.mode == Mode::Refresh {
            return Ok((keys.iter().map(|_| Lookup::Missing).collect(), Versions::new()));
        }
        let Some(l1) = &self.shared.l1 else {
            return self.lookup_many(keys, options).await;
        };
        let mut found = Vec::with_capacity(keys.len());
        let mut far = Vec::new();
        for key in keys {
            let near = match l1.get(key) {
                Some(held) => self.judge(key, held.view(), options)?,
                None => Lookup::Missing,
            };
            if matches!(near, Lookup::Missing) {
                far.push(key.clone());
            } else {
                self.count_reads(1, 1);
                self.shared.counters.l1_hit(1);
            }
            found.push(near);
        }
        if far.is_empty() {
            return Ok((found, Versions::new()));
        }
        let (read, versions) = self.lookup_many(&far, options).await?;
        let places = found.iter_mut().filter(|found| matches!(found, Lookup::Missing));
        places.zip(read).for_each(|(place, read)| *place = read);
        Ok((found, versions))
    }

    /// What was looked up; if it is missing, what `load` gives, stored as the options say. One load at a time in this
    /// process, and across processes as far as leases can tell.
    pub(crate) async fn resolve<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        seat: Option<Seat<'_>>,
        found: Lookup<T>,
        versions: Versions,
        options: &LoadOptions,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (stale, reachable) = match found {
            Lookup::Found(value) => return Ok(value),
            Lookup::Stale(value, age) => (Some((value, age)), true),
            Lookup::Missing => (None, true),
            Lookup::Unavailable => (None, false),
        };
        // A value that is not stale yet is loaded anew by one at a time; the others take it as it is.
        let others = match &stale {
            Some((_, age)) if age.is_zero() => Others::LeaveItToThem,
            _ => Others::WaitForThem,
        };
        let terms = Terms { options, versions, reachable, others };
        let loaded = self.load_shared(key, seat, terms, load).await;
        let permitted = stale.filter(|(_, age)| *age <= options.entry.stale_if_error);
        match (loaded, permitted) {
            (Ok(Some(value)), _) | (Ok(None), Some((value, _))) => Ok(value),
            (Err(error), Some((value, _))) => Ok(self.serve_stale(value, &error)),
            (Err(error), None) => match self.last_resort(key, options) {
                Some(value) => Ok(self.serve_stale(value, &error)),
                None => Err(error),
            },
            (Ok(None), None) => {
                Err(Error::new(ErrorKind::Conflict, "somebody else is loading the value"))
            }
        }
    }

    pub(super) fn serve_stale<T>(&self, value: T, error: &Error) -> T {
        self.shared.counters.stale();
        tracing::warn!(%error, "a value cannot be loaded anew: a stale one is served");
        value
    }

    /// What the first tier had last, if it may still be served when a load fails.
    fn last_resort<T: DeserializeOwned>(&self, key: &Key, options: &LoadOptions) -> Option<T> {
        let permitted = options.entry.stale_if_error;
        if permitted.is_zero() {
            return None;
        }
        let held = self.shared.l1.as_ref()?.last_resort(key)?;
        let age = held.view().stale_for(unix_millis()).unwrap_or_default();
        (age <= permitted).then(|| held.view().decode(key).ok()).flatten()
    }

    /// Loads a value together with those who want it now. `None`: it is left to others.
    pub(super) async fn load_shared<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        seat: Option<Seat<'_>>,
        terms: Terms<'_>,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        let Some(seat) = seat else {
            let loaded = self.load_once(key, &mut || {}, terms, load).await;
            return Ok(loaded?.map(|loaded| loaded.value));
        };
        let mut landed = match (seat.flight.landed.try_lock_arc(), terms.others) {
            (Some(landed), _) => landed,
            (None, Others::LeaveItToThem) => return Ok(None),
            (None, Others::WaitForThem) => turn(&seat, terms.options.hard_timeout).await?,
        };
        if terms.options.mode != Mode::Refresh
            && let Some(landed) = landed.as_ref().filter(|landed| seat.accepts(landed))
        {
            self.shared.counters.coalesced();
            let payload = landed.result.clone()?;
            return self.options().format.codec.decode(key, &payload).map(Some);
        }
        let began = seat.tick();
        let mut confirmed = None;
        let tick: Tick<'_> = &mut || confirmed = Some(seat.tick());
        let loaded = self.load_once(key, tick, terms, load).await;
        *landed = match &loaded {
            Ok(Some(Loaded { payload: Some(payload), stored, .. })) => {
                let stored = confirmed.filter(|_| *stored);
                Some(Landed::new(Ok(payload.clone()), began, stored))
            }
            Ok(_) => None,
            // Whoever waits longer goes on.
            Err(Failure { error, of_caller: true }) => return Err(error.clone()),
            Err(Failure { error, .. }) => Some(Landed::new(Err(error.clone()), began, None)),
        };
        seat.land();
        Ok(loaded?.map(|loaded| loaded.value))
    }

    /// Loads a value, unless another process is seen to do so and stores one in time.
    async fn load_once<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        tick: Tick<'_>,
        terms: Terms<'_>,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Option<Loaded<T>>, Failure> {
        let Terms { options, versions, reachable, others } = terms;
        let moment = self.shared.l1.as_ref().map(|l1| l1.moment(key));
        let mut permit = match reachable {
            true => match self.permit(key, versions, options, others, tick).await? {
                Permitted::Load(permit) => permit,
                Permitted::LeaveIt => return Ok(None),
                Permitted::TooLong(limit) => return Err(TooLong(limit).into()),
                Permitted::Value(value, payload) => {
                    self.shared.counters.coalesced();
                    return Ok(Some(Loaded { value, payload, stored: true }));
                }
            },
            false => None,
        };
        let loaded = self.load_and_store(key, tick, options, &mut permit, moment, load).await;
        // Nothing was stored with it: nobody waits for what will not come.
        if let Some(permit) = permit {
            self.give_back(permit).await;
        }
        loaded.map(Some)
    }

    /// Loads a value. The permit is taken from its place when the value is stored.
    async fn load_and_store<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        tick: Tick<'_>,
        options: &LoadOptions,
        permit: &mut Option<Permit>,
        moment: Option<Moment>,
        load: impl Future<Output = Result<T>>,
    ) -> Result<Loaded<T>, Failure> {
        let began = Instant::now();
        let load = self.load_without_cache(within(options, load));
        let value = match &*permit {
            Some(permit) => self.while_held(&permit.lease, load).await??,
            None => load.await??,
        };
        let took = began.elapsed();
        let codec = self.options().format.codec;
        let encoded = codec.encode(key, &value).map(Bytes::from);
        let Some(payload) = self.forgive_codec(encoded)? else {
            return Ok(Loaded { value, payload: None, stored: false });
        };
        let how = self.how_to_store(options, &payload);
        let how = how.map(|how| Ok::<_, Error>((how.lifetime()?, how.stale_for()))).transpose()?;
        let Some(((Lifetime { fresh, kept }, stale_for), permit)) =
            how.and_then(|how| Some((how, permit.take()?)))
        else {
            return Ok(Loaded { value, payload: Some(payload), stored: false });
        };
        let timed = !stale_for.is_zero() || options.early_refresh.is_some();
        let fresh_until = fresh
            .filter(|_| timed)
            .map(|fresh| unix_millis().saturating_add(fresh.as_millis() as u64));
        let entry = Entry {
            fresh_until,
            load_ms: options.early_refresh.map(|_| took.as_millis() as u64),
            tags: permit.tags,
            ..Entry::plain(codec, payload.clone())
        };
        tick();
        let sent = Instant::now();
        let stored = self.store_loaded(key, permit.lease, &entry, kept.millis()?).await?;
        if let (true, Some(l1), Some(moment)) = (stored, &self.shared.l1, moment) {
            l1.put(key, &entry, moment.confirmed(sent), fresh);
        }
        Ok(Loaded { value, payload: Some(payload), stored })
    }

    /// How a loaded value is to be stored; `None`: not at all.
    fn how_to_store(&self, options: &LoadOptions, payload: &Bytes) -> Option<EntryOptions> {
        match options.negative_ttl {
            Some(ttl) if self.options().format.codec.is_none(payload) => {
                Some(options.entry.clone().with_ttl(ttl?))
            }
            _ => Some(options.entry.clone()),
        }
    }

    /// Loads a value while the cache is away, or not meant.
    pub(crate) async fn load_without_cache<T>(&self, load: impl Future<Output = T>) -> T {
        let began = Instant::now();
        self.shared.counters.loaded();
        let loaded = load.await;
        self.shared.counters.load_took(began.elapsed());
        loaded
    }

    /// Loads a value that is missing, and stores it, also in the place of somebody else who is loading.
    pub(crate) async fn fill<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let options = options.clone().refresh();
        let (versions, others) = (Versions::new(), Others::WaitForThem);
        let terms = Terms { options: &options, versions, reachable: true, others };
        let loaded = self.load_once(key, &mut || {}, terms, load).await?;
        loaded
            .map(|loaded| loaded.value)
            .ok_or_else(|| Error::new(ErrorKind::Conflict, "somebody else is loading the value"))
    }
}

/// Waits for the turn of a seat: until who loads has ended, or was dropped.
async fn turn(seat: &Seat<'_>, limit: Option<Duration>) -> Result<Turn> {
    let turn = seat.flight.landed.lock_arc();
    match limit {
        Some(limit) => platform::timeout(limit, turn).await.ok_or_else(|| TooLong(limit).into()),
        None => Ok(turn.await),
    }
}

/// A load that is given up when it takes too long.
pub(super) async fn within<T>(
    options: &LoadOptions,
    load: impl Future<Output = T>,
) -> Result<T, TooLong> {
    use futures_util::future::{Either, select};
    let Some(limit) = options.hard_timeout else {
        return Ok(load.await);
    };
    let load = std::pin::pin!(load);
    match select(load, platform::sleep(limit)).await {
        Either::Left((loaded, _)) => Ok(loaded),
        Either::Right(_) => Err(TooLong(limit)),
    }
}

impl From<TooLong> for Error {
    fn from(TooLong(limit): TooLong) -> Self {
        let text = format!("loading the value took longer than the hard timeout of {limit:?}");
        Self::new(ErrorKind::Timeout, text)
    }
}

impl From<TooLong> for Failure {
    fn from(limit: TooLong) -> Self {
        Self { error: limit.into(), of_caller: true }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, of_caller: false }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}
