//! The cache: typed values under keys, with a time to live, loaded when they are missing.

mod bus;
mod flight;
mod health;
mod invalidate;
mod l1;
mod lease;
mod load;
mod outage;
mod stats;
mod tier;
mod ttl;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use flight::Seat;
pub use health::{Health, HealthBackend};
pub use l1::L1Options;
pub(crate) use lease::STORE_IF_LEASED;
pub use load::Cached;
pub(crate) use load::Lookup;
pub use stats::CacheStats;
pub use tier::Tier;
pub use ttl::Ttl;

use self::flight::Flights;
use self::l1::L1;
use self::outage::{Access, Outage};
use self::stats::Counters;
use crate::client::{Client, Pipeline, Slot};
use crate::command::keys::KeyCommands;
use crate::command::pubsub::PubSubCommands;
use crate::command::strings::StringCommands;
use crate::{Error, ErrorKind, Key, Result, platform};

/// The settings of a [`Cache`].
///
/// ```
/// use edgecask::cache::{CacheOptions, Tier};
/// use std::time::Duration;
///
/// let options = CacheOptions::new().tier(Tier::Critical).lease(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    tier: Tier,
    lease: Duration,
    lease_wait: Duration,
    coalesce: bool,
    l1: Option<L1Options>,
    bus: Option<&'static str>,
}

impl CacheOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            tier: Tier::default(),
            lease: Duration::from_secs(10),
            lease_wait: Duration::from_secs(1),
            coalesce: platform::SHARES_FUTURES,
            l1: None,
            bus: None,
        }
    }

    /// What happens when the cache is away while something is loaded through it. Default: [`Tier::Important`].
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// How long a load may take and still have its value stored. Default: 10 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long a miss waits for the value that another process is loading, before it loads on its own. Zero loads at
    /// once. Default: 1 second.
    #[must_use]
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = wait;
        self
    }

    /// Whether callers in this process who miss the same key wait for one load. Do not load a key inside of its own
    /// load then. Default: `true` on native targets, `false` on wasm32: the requests of a Worker must not wait for each
    /// other; set it there on a cache that one request made for itself.
    #[must_use]
    pub fn coalesce(mut self, yes: bool) -> Self {
        self.coalesce = yes;
        self
    }

    /// A first tier in this process's memory. Default: none.
    #[must_use]
    pub fn l1(mut self, l1: L1Options) -> Self {
        self.l1 = Some(l1);
        self
    }

    /// The channel on which invalidations are published for the first tiers of other processes; see
    /// [`Cache::follow_invalidations`]. It costs a PUBLISH in the round trip of each write. Default: none.
    #[must_use]
    pub fn bus(mut self, channel: &'static str) -> Self {
        self.bus = Some(channel);
        self
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A cache of JSON values over any [`Client`]. Clones share the client and the statistics.
///
/// Values are stored as plain JSON, so that programs in other languages can read them. Every entry has a time to live;
/// the one that has none asks for it by name, [`Ttl::FOREVER`].
///
/// ```
/// use edgecask::{Client, Keyspace, cache::Cache};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let cache = Cache::new(Client::memory());
/// let users = Keyspace::new(["app", "user", "name"])?;
/// let key = users.key(["42"])?;
///
/// let name: String = cache
///     .get_or_load(&key, Duration::from_secs(300), || async {
///         Ok::<_, std::io::Error>("ada".to_owned()) // asked of the database once
///     })
///     .await?;
/// assert_eq!(cache.get::<String>(&key).await?, Some(name));
/// assert!(cache.delete(&key).await?);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cache {
    client: Client,
    options: CacheOptions,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    counters: Counters,
    outage: Outage,
    flights: Flights,
    l1: Option<L1>,
    /// This cache's name on the bus.
    sender: String,
}

impl Cache {
    /// A cache over this client, with the default options.
    pub fn new(client: Client) -> Self {
        Self::with_options(client, CacheOptions::new())
    }

    /// A cache over this client.
    pub fn with_options(client: Client, options: CacheOptions) -> Self {
        let shared = Shared {
            counters: Counters::default(),
            outage: Outage::default(),
            flights: Flights::default(),
            l1: options.l1.map(L1::new),
            sender: if options.bus.is_some() { bus::sender() } else { String::new() },
        };
        Self { client, options, shared: Arc::new(shared) }
    }

    /// The client that the cache uses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What happens when the cache is away.
    pub fn tier(&self) -> Tier {
        self.options.tier
    }

    /// The value of a key, or `None` if it is not cached. One GET, none if the first tier has it.
    ///
    /// # Errors
    /// The client's; [`ErrorKind::Codec`] if the stored text is not the JSON of a `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        if let Some(value) = self.near(key) {
            return Ok(Some(value));
        }
        let generation = self.generation();
        let bytes: Option<Bytes> = self.counted(Access::Read, self.client.get(key).await)?;
        let value = bytes.as_ref().map(|bytes| decode(key, bytes)).transpose();
        let value = self.counted(Access::Read, value)?;
        if let Some(bytes) = bytes {
            self.keep_near(key, bytes, generation, None);
        }
        self.count_reads(usize::from(value.is_some()), 1);
        Ok(value)
    }

    /// The values of many keys in their order. One MGET of those that the first tier does not have.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>> {
        let mut values: Vec<Option<T>> = keys.iter().map(|key| self.near(key)).collect();
        let far: Vec<usize> = (0..keys.len()).filter(|at| values[*at].is_none()).collect();
        if far.is_empty() {
            return Ok(values);
        }
        let generation = self.generation();
        let asked = far.iter().map(|at| &keys[*at]);
        let stored: Vec<Option<Bytes>> =
            self.counted(Access::Read, self.client.mget(asked).await)?;
        let mut hits = 0;
        for (at, bytes) in far.iter().copied().zip(stored) {
            let Some(bytes) = bytes else { continue };
            values[at] = Some(self.counted(Access::Read, decode(&keys[at], &bytes))?);
            self.keep_near(&keys[at], bytes, generation, None);
            hits += 1;
        }
        self.count_reads(hits, far.len());
        Ok(values)
    }

    /// Stores a value. One SET, and a PUBLISH in the same round trip where there is a bus.
    ///
    /// # Errors
    /// The client's; [`ErrorKind::Codec`] if the value has no JSON form; [`ErrorKind::InvalidInput`] if the time to
    /// live is zero.
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: &Key,
        value: &T,
        ttl: impl Into<Ttl>,
    ) -> Result<()> {
        self.set_many([(key, value)], ttl).await
    }

    /// Stores many values with one time to live, in one round trip: a SET each, not as a unit.
    ///
    /// # Errors
    /// As for [`Cache::set`]; the first that failed. The others are stored.
    pub async fn set_many<'a, T: Serialize + ?Sized + 'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a Key, &'a T)>,
        ttl: impl Into<Ttl>,
    ) -> Result<()> {
        let options = ttl.into().set_options()?;
        let pipeline = self.client.pipeline();
        let (mut slots, mut keys) = (Vec::new(), Vec::new());
        for (key, value) in entries {
            slots.push(pipeline.set_with(key, encode(key, value)?, options.clone()));
            keys.push(key.clone());
        }
        if keys.is_empty() {
            return Ok(());
        }
        let announced = self.announce(&pipeline, self.announcement(&keys));
        self.forget_near(&keys);
        let replies = pipeline.exec().await;
        // Also after an error: nobody knows what was stored. And again, for what was read meanwhile.
        self.forget_near(&keys);
        let mut replies = self.counted(Access::Write, replies)?;
        if let Some(announced) = announced {
            self.counted(Access::Write, replies.take(announced))?;
        }
        let results: Vec<Result<bool>> = slots.into_iter().map(|slot| replies.take(slot)).collect();
        self.shared.counters.stored(results.iter().filter(|result| result.is_ok()).count());
        results.into_iter().try_for_each(|result| self.counted(Access::Write, result).map(|_| ()))
    }

    /// Deletes an entry, and keeps loads that are under way from putting it back; tells whether it was there. Two
    /// UNLINKs in one round trip.
    ///
    /// # Errors
    /// The client's.
    pub async fn delete(&self, key: &Key) -> Result<bool> {
        self.delete_many(std::slice::from_ref(key)).await.map(|count| count > 0)
    }

    /// Deletes entries; tells how many were there. Two UNLINKs in one round trip.
    ///
    /// # Errors
    /// The client's.
    pub async fn delete_many(&self, keys: &[Key]) -> Result<u64> {
        if keys.is_empty() {
            return Ok(0);
        }
        let pipeline = self.client.pipeline();
        // The leases go first: a load that finds its lease afterwards began after this.
        let leases = pipeline.unlink(keys.iter().map(lease::lease_key));
        let entries = pipeline.unlink(keys);
        let announced = self.announce(&pipeline, self.announcement(keys));
        self.forget_near(keys);
        let replies = pipeline.exec().await;
        self.forget_near(keys);
        let mut replies = self.counted(Access::Write, replies)?;
        self.counted(Access::Write, replies.take(leases))?;
        let count = self.counted(Access::Write, replies.take(entries))?;
        if let Some(announced) = announced {
            self.counted(Access::Write, replies.take(announced))?;
        }
        self.shared.counters.deleted(count);
        Ok(count)
    }

    /// What this cache has done since it was made or [`Cache::reset_stats`].
    pub fn stats(&self) -> CacheStats {
        self.shared.counters.snapshot()
    }

    /// Sets the statistics back to zero.
    pub fn reset_stats(&self) {
        self.shared.counters.reset();
    }

    /// What the first tier has. A text of another form counts as nothing.
    fn near<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        let value = decode(key, &self.shared.l1.as_ref()?.get(key)?).ok()?;
        self.count_reads(1, 1);
        self.shared.counters.l1_hit(1);
        Some(value)
    }

    fn generation(&self) -> u64 {
        self.shared.l1.as_ref().map_or(0, L1::generation)
    }

    fn keep_near(&self, key: &Key, value: Bytes, generation: u64, ttl: Option<Duration>) {
        if let Some(l1) = &self.shared.l1 {
            l1.put(key, value, generation, ttl);
        }
    }

    /// Forgets in this process what is about to change, or has changed.
    fn forget_near(&self, keys: &[Key]) {
        for key in keys {
            self.shared.flights.part(key);
            if let Some(l1) = &self.shared.l1 {
                l1.remove(key.as_str());
            }
        }
    }

    fn announce(
        &self,
        pipeline: &Pipeline,
        message: Option<(&'static str, String)>,
    ) -> Option<Slot<u64>> {
        message.map(|(channel, message)| pipeline.publish(channel, message))
    }

    fn count_reads(&self, hits: usize, reads: usize) {
        self.shared.counters.read(hits, reads - hits);
    }

    /// Counts an error, and notes whether the cache does what is asked.
    fn counted<T>(&self, access: Access, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => self.shared.outage.over(access),
            Err(_) => self.shared.counters.failed(),
        }
        result
    }
}

fn encode<T: Serialize + ?Sized>(key: &Key, value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|_| {
        // The message of a custom Serialize may quote the value.
        Error::new(ErrorKind::Codec, format!("the value for '{key}' has no JSON form"))
    })
}

fn decode<T: DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(
            ErrorKind::Codec,
            format!(
                "what is cached under '{key}' is not the JSON that was asked for (line {}, column {})",
                error.line(),
                error.column()
            ),
        )
    })
}
