//! Loading many values by one call of the loader.

use std::collections::{HashMap, HashSet};
use std::future::Future;

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::deadline::within;
use super::get_or_load::Cached;
use super::loader::Loader;
use super::options::{LoadOptions, Mode};
use super::single_flight::{CallGuard, CallResult, Waiter};
use super::store_guards::{Acquired, HeldLease};
use crate::cache::Cache;
use crate::cache::entry::Entry;
use crate::cache::invalidate::Versions;
use crate::cache::lookup::Lookup;
use crate::cache::tiers::ReadStart;
use crate::platform::{self, Background, BoxFuture, Instant, MaybeSend, MaybeSync};
use crate::{BoxError, Error, Key, Result};

impl Cache {
    /// Returns the values of many keys. `load` is called with the keys that are not cached, and its values are stored as
    /// the options say. A key for which `load` returns no value is absent from the result, and nothing is stored for it.
    ///
    /// It costs one MGET, or nothing if the first tier has all values. Misses cost two more round trips, with one script
    /// for each key: the first takes the leases, the second stores the values. With tags or a generation, they also have what
    /// [`Cache::get_or_load`] says, once for all keys. `load` is called once with all keys that are missing. It is called again, for one key, only if another
    /// caller was already loading that key and gave no value.
    ///
    /// The promises of [`Cache::get_or_load`] hold for each key.
    ///
    /// ```
    /// use edgecask::{Client, Key, Keyspace, cache::{Cache, Ttl}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let cache = Cache::new(Client::memory());
    /// let users = Keyspace::new(["app", "user"])?;
    /// let keys = [users.key(["1"])?, users.key(["2"])?];
    /// let load = |missing: Vec<Key>| async move {
    ///     // One query of the database, such as `WHERE id IN (…)`.
    ///     let row = |key: Key| (key.clone(), format!("the user of {key}"));
    ///     Ok::<_, std::io::Error>(missing.into_iter().map(row).collect::<Vec<_>>())
    /// };
    /// let found = cache.get_or_load_many(&keys, Ttl::seconds(300), load).await?;
    /// assert_eq!(found[&keys[1]], "the user of app:user:2");
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`]. An error of one key is the error of the call.
    pub fn get_or_load_many<'a, T, E, F, I>(
        &'a self,
        keys: &'a [Key],
        options: impl Into<LoadOptions>,
        load: impl Fn(Vec<Key>) -> F + MaybeSend + MaybeSync + 'a,
    ) -> BoxFuture<'a, Result<HashMap<Key, T>>>
    where
        T: Cached + 'a,
        E: Into<BoxError>,
        F: Future<Output = Result<I, E>> + MaybeSend,
        I: IntoIterator<Item = (Key, T)>,
    {
        let options = options.into();
        platform::send(|| async move {
            let mut distinct = HashSet::new();
            let keys: Vec<Key> = keys.iter().filter(|key| distinct.insert(*key)).cloned().collect();
            let load = |keys: Vec<Key>| {
                let asked: HashSet<Key> = keys.iter().cloned().collect();
                let loaded = load(keys);
                async move {
                    let loaded = loaded.await.map_err(Error::loader)?.into_iter();
                    Ok(loaded.filter(|(key, _)| asked.contains(key)).collect::<HashMap<_, _>>())
                }
            };
            let loader = &self.core.loader;
            if keys.is_empty() {
                return Ok(HashMap::new());
            }
            if options.mode == Mode::Bypass {
                return loader.load_uncached(within(&options, load(keys))).await?;
            }
            self.check_load(&options)?;
            // The waiters join before the lookup, so that they may use the results of loads that end in between.
            let waiters: Vec<_> = keys.iter().map(|key| self.join(key)).collect();
            let background = &self.scope.background;
            let (found, versions) = self.core.reader.find_many(&keys, &options, background).await?;
            let mut many = BatchLoad {
                loader,
                options: &options,
                background,
                versions,
                values: HashMap::new(),
                own: Vec::new(),
                others: Vec::new(),
                is_reachable: true,
            };
            for ((key, waiter), found) in keys.iter().zip(waiters).zip(found) {
                many.assign(Miss { key, waiter, found })?;
            }
            many.load_own(&load).await?;
            many.load_others(&load, self).await?;
            Ok(many.values)
        })
    }
}

/// A key that is missing or stale.
struct Miss<'a, T> {
    key: &'a Key,
    waiter: Option<Waiter<'a>>,
    /// The result of the lookup.
    found: Lookup<T>,
}

/// A key that this call loads.
struct OwnLoad<'a, T> {
    miss: Miss<'a, T>,
    guard: Option<CallGuard>,
    start: Option<ReadStart>,
    /// When the load began, by the clock of the single-flight call.
    began: u64,
    held: Option<HeldLease>,
}

impl<T> OwnLoad<'_, T> {
    /// The current time by the clock of the single-flight call.
    fn now(&self) -> u64 {
        self.miss.waiter.as_ref().map_or(0, Waiter::now)
    }

    /// Hands the result to the waiters.
    fn finish(&mut self, result: Option<CallResult>) {
        if let (Some(waiter), Some(mut guard)) = (&self.miss.waiter, self.guard.take()) {
            *guard = result;
            waiter.finish();
        }
    }
}

/// The state of one call.
struct BatchLoad<'a, T> {
    loader: &'a Loader,
    options: &'a LoadOptions,
    background: &'a Background,
    versions: Versions,
    values: HashMap<Key, T>,
    own: Vec<OwnLoad<'a, T>>,
    /// Keys that other callers are loading.
    others: Vec<Miss<'a, T>>,
    is_reachable: bool,
}

impl<'a, T: Cached> BatchLoad<'a, T> {
    /// Takes the value if it was found; otherwise decides whether this call loads it.
    fn assign(&mut self, miss: Miss<'a, T>) -> Result<()> {
        let Miss { key, waiter, found } = miss;
        let found = match found {
            Lookup::Found(value) => {
                self.values.insert(key.clone(), value);
                return Ok(());
            }
            found => found,
        };
        self.is_reachable &= !matches!(found, Lookup::Unavailable);
        let guard = match &waiter {
            None => None,
            Some(waiter) => match waiter.try_lock() {
                Some(guard) => Some(guard),
                None => {
                    self.leave_to_others(key, found);
                    return Ok(());
                }
            },
        };
        if !self.options.is_refresh()
            && let (Some(waiter), Some(guard)) = (&waiter, &guard)
            && let Some(result) = guard.as_ref().filter(|result| waiter.accepts(result))
        {
            let value = match &result.value {
                Ok(payload) => self.loader.coalesced(key, payload.clone())?,
                Err(error) => {
                    let stale = self.loader.stale_instead(key, found, self.options, error);
                    self.values.insert(key.clone(), stale.ok_or_else(|| error.clone())?);
                    return Ok(());
                }
            };
            if let Some(value) = value {
                self.values.insert(key.clone(), value);
                return Ok(());
            }
        }
        let began = waiter.as_ref().map_or(0, Waiter::now);
        let miss = Miss { key, waiter, found };
        self.own.push(OwnLoad { miss, guard, start: None, began, held: None });
        Ok(())
    }

    /// Leaves a key to the load that is under way. A value that is still fresh is used as it is.
    fn leave_to_others(&mut self, key: &'a Key, found: Lookup<T>) {
        if found.is_still_fresh() {
            self.values.extend(found.still_fresh().map(|value| (key.clone(), value)));
        } else {
            self.others.push(Miss { key, waiter: None, found });
        }
    }

    /// Loads the keys without a load under way, by one call of the loader.
    async fn load_own<F>(&mut self, load: &impl Fn(Vec<Key>) -> F) -> Result<()>
    where
        F: Future<Output = Result<HashMap<Key, T>>>,
    {
        let own = self.begin().await?;
        if own.is_empty() {
            return Ok(());
        }
        let (loader, began) = (self.loader, Instant::now());
        let keys = own.iter().map(|own| own.miss.key.clone()).collect();
        let loading = loader.load_uncached(within(self.options, load(keys)));
        let leases: Vec<_> = own.iter().filter_map(|own| Some(&own.held.as_ref()?.lease)).collect();
        match loader.guards.leases.while_all_held(&leases, loading).await {
            Ok(Ok(loaded)) => self.store(own, loaded, began).await,
            Ok(Err(error)) => self.fail(own, error, true).await,
            // A caller with a longer limit goes on.
            Err(limit) => self.fail(own, limit.into(), false).await,
        }
    }

    /// Takes the leases; returns the keys that this call has to load.
    async fn begin(&mut self) -> Result<Vec<OwnLoad<'a, T>>> {
        let (loader, mut own) = (self.loader, std::mem::take(&mut self.own));
        if own.is_empty() || !self.is_reachable {
            return Ok(own);
        }
        let keys: Vec<Key> = own.iter().map(|own| own.miss.key.clone()).collect();
        for own in &mut own {
            own.start = loader.l1.as_ref().map(|l1| l1.read_start(own.miss.key));
        }
        let confirmed: Vec<u64> = own.iter().map(OwnLoad::now).collect();
        let guards = &loader.guards;
        let still_fresh: Vec<bool> =
            own.iter().map(|own| own.miss.found.is_still_fresh()).collect();
        let (versions, options) = (&self.versions, self.options);
        let acquired =
            guards.begin_many(&keys, &still_fresh, versions, options, self.background).await?;
        let Some(acquired) = acquired else {
            return Ok(own);
        };
        let mut to_load = Vec::with_capacity(own.len());
        for ((mut own, acquired), confirmed) in own.into_iter().zip(acquired).zip(confirmed) {
            match acquired {
                Acquired::Held(held) => {
                    own.held = Some(held);
                    to_load.push(own);
                }
                Acquired::Value(value, payload) => {
                    loader.counters().coalesced();
                    let began = own.began;
                    own.finish(
                        payload.map(|payload| CallResult::new(Ok(payload), began, Some(confirmed))),
                    );
                    self.values.insert(own.miss.key.clone(), value);
                }
                Acquired::Busy | Acquired::TimedOut(_) => {
                    let Miss { key, waiter: _, found } = own.miss;
                    self.leave_to_others(key, found);
                }
            }
        }
        Ok(to_load)
    }

    /// Stores the loaded values, and hands them to the waiters.
    async fn store(
        &mut self,
        own: Vec<OwnLoad<'a, T>>,
        mut loaded: HashMap<Key, T>,
        began: Instant,
    ) -> Result<()> {
        let (loader, took) = (self.loader, began.elapsed());
        let (mut to_store, mut storing, mut unused) = (Vec::new(), Vec::new(), Vec::new());
        for mut own in own {
            let Some(value) = loaded.remove(own.miss.key) else {
                own.finish(None);
                unused.extend(own.held);
                continue;
            };
            let encoded = loader.codec().encode(own.miss.key, &value).map(Bytes::from);
            self.values.insert(own.miss.key.clone(), value);
            let Some(payload) = loader.guards.outage.degrade_codec(encoded)? else {
                own.finish(None);
                unused.extend(own.held);
                continue;
            };
            let entry = loader.entry(self.options, &payload, took)?;
            match (entry, own.held.take()) {
                (Some((entry, fresh, millis)), Some(HeldLease { lease, tags })) => {
                    to_store.push((own.miss.key, lease, Entry { tags, ..entry }, millis));
                    storing.push((own, payload, fresh));
                }
                (_, held) => {
                    let began = own.began;
                    own.finish(Some(CallResult::new(Ok(payload), began, None)));
                    unused.extend(held);
                }
            }
        }
        let confirmed: Vec<u64> = storing.iter().map(|(own, ..)| own.now()).collect();
        let sent = Instant::now();
        let stored = loader.guards.store_many(to_store, None).await?;
        let stored = stored.into_iter().zip(confirmed);
        for ((mut own, payload, fresh), ((entry, stored), confirmed)) in
            storing.into_iter().zip(stored)
        {
            if let (true, Some(l1), Some(start)) = (stored, &loader.l1, own.start) {
                l1.put(own.miss.key, &entry, start.confirmed(sent), fresh);
            }
            let began = own.began;
            let confirmed = stored.then_some(confirmed);
            own.finish(Some(CallResult::new(Ok(payload), began, confirmed)));
        }
        loader.guards.release_many(unused).await;
        Ok(())
    }

    /// Serves stale values in place of those that could not be loaded, if the options allow it.
    async fn fail(
        &mut self,
        own: Vec<OwnLoad<'a, T>>,
        error: Error,
        is_loader_error: bool,
    ) -> Result<()> {
        let (loader, mut result, mut unused) = (self.loader, Ok(()), Vec::new());
        for mut own in own {
            if is_loader_error {
                let began = own.began;
                own.finish(Some(CallResult::new(Err(error.clone()), began, None)));
            }
            unused.extend(own.held.take());
            match loader.stale_instead(own.miss.key, own.miss.found, self.options, &error) {
                Some(value) => drop(self.values.insert(own.miss.key.clone(), value)),
                None => result = Err(error.clone()),
            }
        }
        loader.guards.release_many(unused).await;
        result
    }

    /// Waits for the values that other callers are loading.
    async fn load_others<F>(
        &mut self,
        load: &impl Fn(Vec<Key>) -> F,
        cache: &'a Cache,
    ) -> Result<()>
    where
        F: Future<Output = Result<HashMap<Key, T>>>,
    {
        let others = std::mem::take(&mut self.others).into_iter().map(|miss| {
            let Miss { key, waiter: _, found } = miss;
            let found = (found, self.versions.clone());
            let load = async move { load(vec![key.clone()]).await.map(|mut one| one.remove(key)) };
            let (options, background) = (self.options, self.background);
            let resolved =
                self.loader.resolve_if_any(key, cache.join(key), found, options, background, load);
            async move { resolved.await.map(|value| Some((key.clone(), value?))) }
        });
        self.values.extend(try_join_all(others).await?.into_iter().flatten());
        Ok(())
    }
}
