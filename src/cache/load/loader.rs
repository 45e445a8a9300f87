//! Loads a value that is missing or stale, and stores it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::LoadOptions;
use super::deadline::{TimedOut, within};
use super::single_flight::{CallResult, Waiter};
use super::store_guards::{Acquired, Checkpoint, HeldLease, OnContention, StoreGuards};
use crate::cache::entry::{Codec, Entry, EntryOptions};
use crate::cache::invalidate::Versions;
use crate::cache::lookup::Lookup;
use crate::cache::observe::Counters;
use crate::cache::outage::Outage;
use crate::cache::tiers::{L1, ReadStart};
use crate::platform::{Background, Instant, unix_millis};
use crate::{Error, ErrorKind, Key, Result};

/// A value that was loaded, or that another process has stored.
pub(super) struct Loaded<T> {
    pub(super) value: T,
    /// The encoded value, if it could be encoded.
    pub(super) payload: Option<Bytes>,
    /// Whether it is stored in Redis and was not invalidated before that.
    pub(super) stored: bool,
}

/// Why there is no value.
struct Failure {
    error: Error,
    /// Whether only the limit of this caller has passed. Other callers may have longer limits.
    is_caller_timeout: bool,
}

/// The context of a load: its options, and what the lookup found out.
pub(crate) struct LoadContext<'a> {
    pub(super) options: &'a LoadOptions,
    /// The versions of the tags when the value was looked up.
    pub(super) versions: Versions,
    /// Whether Redis answered the lookup.
    pub(super) is_reachable: bool,
    pub(super) on_contention: OnContention,
    pub(super) background: &'a Background,
}

/// Loads values, one load of a key at a time in this process, and across processes as far as leases can tell.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) guards: StoreGuards,
    pub(crate) l1: Option<Arc<L1>>,
}

impl Loader {
    pub(super) fn codec(&self) -> Codec {
        self.guards.packer.format().codec
    }

    fn outage(&self) -> &Outage {
        &self.guards.outage
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.guards.counters
    }

    /// Returns the value that the lookup found. If it is missing, loads it and stores it as the options say.
    pub(crate) async fn resolve<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        waiter: Option<Waiter<'_>>,
        found: (Lookup<T>, Versions),
        options: &LoadOptions,
        background: &Background,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let load = async { load.await.map(Some) };
        let value = self.resolve_if_any(key, waiter, found, options, background, load).await?;
        value.ok_or_else(busy)
    }

    /// As [`Loader::resolve`], for a load that may give no value.
    pub(super) async fn resolve_if_any<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        waiter: Option<Waiter<'_>>,
        (found, versions): (Lookup<T>, Versions),
        options: &LoadOptions,
        background: &Background,
        load: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<T>> {
        // If the value is still fresh, one caller at a time reloads it, and the others use it as it is.
        let (is_reachable, on_contention) = match &found {
            Lookup::Found(_) => return Ok(found.found()),
            Lookup::Stale(_, age) if age.is_zero() => (true, OnContention::Leave),
            Lookup::Stale(..) | Lookup::Missing => (true, OnContention::Wait),
            Lookup::Unavailable => (false, OnContention::Wait),
        };
        let context = LoadContext { options, versions, is_reachable, on_contention, background };
        match self.load_shared(key, waiter, context, load).await {
            Ok(Some(value)) => Ok(Some(value)),
            // Another caller loads it, or the load returned no value.
            Ok(None) => Ok(found.still_fresh()),
            Err(error) => match self.stale_instead(key, found, options, &error) {
                Some(value) => Ok(Some(value)),
                None => Err(error),
            },
        }
    }

    /// The stale value to serve in place of an error, if there is one that the options allow.
    pub(super) fn stale_instead<T: DeserializeOwned>(
        &self,
        key: &Key,
        found: Lookup<T>,
        options: &LoadOptions,
        error: &Error,
    ) -> Option<T> {
        let stale = permitted_stale(found, options).or_else(|| self.expired_in_l1(key, options));
        stale.map(|value| self.serve_stale(value, error))
    }

    pub(super) fn serve_stale<T>(&self, value: T, error: &Error) -> T {
        self.counters().stale();
        tracing::warn!(%error, "a value could not be reloaded: a stale one is served");
        value
    }

    /// The expired value of the first tier, if it may be served when a load fails.
    fn expired_in_l1<T: DeserializeOwned>(&self, key: &Key, options: &LoadOptions) -> Option<T> {
        let permitted = options.entry.stale_if_error;
        if permitted.is_zero() {
            return None;
        }
        let entry = self.l1.as_ref()?.get_expired(key)?;
        let view = entry.view();
        let age = match view.fresh_until {
            Some(_) => view.stale_for(unix_millis()).unwrap_or_default(),
            // Without a time of its own, it is stale from the end of its time in this tier.
            None => entry.expired_for(),
        };
        (age <= permitted).then(|| entry.view().decode(key).ok()).flatten()
    }

    /// Loads a value together with the other callers of this process. `None` if it is left to them, or the load returned no
    /// value.
    pub(super) async fn load_shared<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        waiter: Option<Waiter<'_>>,
        context: LoadContext<'_>,
        load: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<T>> {
        let Some(waiter) = waiter else {
            let loaded = self.load_once(key, &mut || {}, context, load).await;
            return Ok(loaded?.map(|loaded| loaded.value));
        };
        let mut result = match (waiter.try_lock(), context.on_contention) {
            (Some(result), _) => result,
            (None, OnContention::Leave) => return Ok(None),
            (None, OnContention::Wait) => waiter.lock(context.options.hard_timeout).await?,
        };
        if !context.options.is_refresh()
            && let Some(result) = result.as_ref().filter(|result| waiter.accepts(result))
            && let Some(value) = self.coalesced(key, result.value.clone()?)?
        {
            return Ok(Some(value));
        }
        let began = waiter.now();
        let mut confirmed = None;
        let checkpoint: Checkpoint<'_> = &mut || confirmed = Some(waiter.now());
        let loaded = self.load_once(key, checkpoint, context, load).await;
        *result = match &loaded {
            Ok(Some(Loaded { payload: Some(payload), stored, .. })) => {
                let stored = confirmed.filter(|_| *stored);
                Some(CallResult::new(Ok(payload.clone()), began, stored))
            }
            Ok(_) => None,
            // A caller with a longer limit continues.
            Err(Failure { error, is_caller_timeout: true }) => return Err(error.clone()),
            Err(Failure { error, .. }) => Some(CallResult::new(Err(error.clone()), began, None)),
        };
        waiter.finish();
        Ok(loaded?.map(|loaded| loaded.value))
    }

    /// The value that another caller of this process has loaded. `None` if it is not a `T`.
    pub(super) fn coalesced<T: DeserializeOwned>(
        &self,
        key: &Key,
        payload: Bytes,
    ) -> Result<Option<T>> {
        let value = self.outage().degrade_codec(self.codec().decode(key, &payload))?;
        Ok(value.inspect(|_| self.counters().coalesced()))
    }

    /// Loads a value, or waits for the one that another process is loading. `None` if it is left to others, or the load
    /// returned no value.
    async fn load_once<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        checkpoint: Checkpoint<'_>,
        context: LoadContext<'_>,
        load: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<Loaded<T>>, Failure> {
        let LoadContext { options, versions, is_reachable, on_contention, background } = context;
        let start = self.l1.as_ref().map(|l1| l1.read_start(key));
        let acquired = match is_reachable {
            true => {
                let guards = &self.guards;
                guards.begin(key, &versions, options, on_contention, checkpoint, background).await?
            }
            false => Acquired::Held(None),
        };
        let mut held = match acquired {
            Acquired::Held(held) => held,
            Acquired::Busy => return Ok(None),
            Acquired::TimedOut(limit) => return Err(TimedOut(limit).into()),
            Acquired::Value(value, payload) => {
                self.counters().coalesced();
                return Ok(Some(Loaded { value, payload, stored: true }));
            }
        };
        let loaded = self.load_and_store(key, checkpoint, options, &mut held, start, load).await;
        // Nothing was stored with the lease. Releasing it ends the wait of others.
        if let Some(held) = held {
            self.guards.release(held).await;
        }
        loaded
    }

    /// Loads a value, and stores it. `held` is taken if the value is stored.
    async fn load_and_store<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        checkpoint: Checkpoint<'_>,
        options: &LoadOptions,
        held: &mut Option<HeldLease>,
        start: Option<ReadStart>,
        load: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<Loaded<T>>, Failure> {
        let began = Instant::now();
        let load = self.load_uncached(within(options, load));
        let value = match &*held {
            Some(held) => self.guards.leases.while_all_held(&[&held.lease], load).await??,
            None => load.await??,
        };
        let Some(value) = value else {
            return Ok(None);
        };
        let took = began.elapsed();
        let encoded = self.codec().encode(key, &value).map(Bytes::from);
        let Some(payload) = self.outage().degrade_codec(encoded)? else {
            return Ok(Some(Loaded { value, payload: None, stored: false }));
        };
        let entry = self.entry(options, &payload, took)?;
        let Some(((entry, fresh, millis), held)) =
            entry.and_then(|entry| Some((entry, held.take()?)))
        else {
            return Ok(Some(Loaded { value, payload: Some(payload), stored: false }));
        };
        let entry = Entry { tags: held.tags, ..entry };
        checkpoint();
        let sent = Instant::now();
        let stored = self.guards.store(key, held.lease, entry, millis, None).await?;
        if let (Some(entry), Some(l1), Some(start)) = (&stored, &self.l1, start) {
            l1.put(key, entry, start.confirmed(sent), fresh);
        }
        Ok(Some(Loaded { value, payload: Some(payload), stored: stored.is_some() }))
    }

    /// The entry of a loaded value without its tags, how long it is fresh, and how many milliseconds Redis keeps it. `None`
    /// if it is not to be stored.
    pub(super) fn entry(
        &self,
        options: &LoadOptions,
        payload: &Bytes,
        took: Duration,
    ) -> Result<Option<(Entry, Option<Duration>, u64)>> {
        let Some(how) = self.how_to_store(options, payload) else {
            return Ok(None);
        };
        let lifetime = how.lifetime()?;
        let is_timed = !how.stale_for().is_zero() || options.early_refresh.is_some();
        let entry = Entry {
            fresh_until: lifetime.fresh_until().filter(|_| is_timed),
            load_ms: options.early_refresh.map(|_| took.as_millis() as u64),
            ..Entry::plain(self.codec(), payload.clone())
        };
        Ok(Some((entry, lifetime.fresh, lifetime.kept.millis()?)))
    }

    /// How a loaded value is stored. `None` if it is not to be stored.
    fn how_to_store(&self, options: &LoadOptions, payload: &Bytes) -> Option<EntryOptions> {
        match options.negative_ttl {
            Some(ttl) if self.codec().is_none(payload) => {
                Some(options.entry.clone().with_ttl(ttl?))
            }
            _ => Some(options.entry.clone()),
        }
    }

    /// Loads a value while the cache is away or bypassed; counts the load.
    pub(crate) async fn load_uncached<T>(&self, load: impl Future<Output = T>) -> T {
        let began = Instant::now();
        self.counters().loaded();
        let loaded = load.await;
        self.counters().load_took(began.elapsed());
        loaded
    }

    /// Loads a value and stores it, and takes the lease over if another load holds it.
    pub(crate) async fn replace<T: Serialize + DeserializeOwned>(
        &self,
        key: &Key,
        options: &LoadOptions,
        background: &Background,
        load: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let context = LoadContext {
            options: &options.clone().refresh(),
            versions: Versions::new(),
            is_reachable: true,
            on_contention: OnContention::Wait,
            background,
        };
        let load = async { load.await.map(Some) };
        let loaded = self.load_once(key, &mut || {}, context, load).await?;
        loaded.map(|loaded| loaded.value).ok_or_else(busy)
    }
}

/// The stale value that may be served in place of an error.
fn permitted_stale<T>(found: Lookup<T>, options: &LoadOptions) -> Option<T> {
    match found {
        Lookup::Stale(value, age) if age <= options.entry.stale_if_error => Some(value),
        _ => None,
    }
}

fn busy() -> Error {
    Error::new(ErrorKind::Conflict, "another caller is loading the value")
}

impl From<TimedOut> for Failure {
    fn from(limit: TimedOut) -> Self {
        Self { error: limit.into(), is_caller_timeout: true }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, is_caller_timeout: false }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}
