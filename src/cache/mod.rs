//! The cache: typed values under keys, with a time to live, loaded when they are missing.

mod health;
mod invalidate;
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

pub use health::{Health, HealthBackend};
pub(crate) use lease::STORE_IF_LEASED;
pub use load::Cached;
pub(crate) use load::Lookup;
pub use stats::CacheStats;
pub use tier::Tier;
pub use ttl::Ttl;

use self::outage::{Access, Outage};
use self::stats::Counters;
use crate::client::Client;
use crate::command::keys::KeyCommands;
use crate::command::strings::StringCommands;
use crate::{Error, ErrorKind, Key, Result};

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
}

impl CacheOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self { tier: Tier::default(), lease: Duration::from_secs(10) }
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

#[derive(Debug, Default)]
struct Shared {
    counters: Counters,
    outage: Outage,
}

impl Cache {
    /// A cache over this client, with the default options.
    pub fn new(client: Client) -> Self {
        Self::with_options(client, CacheOptions::new())
    }

    /// A cache over this client.
    pub fn with_options(client: Client, options: CacheOptions) -> Self {
        Self { client, options, shared: Arc::default() }
    }

    /// The client that the cache uses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What happens when the cache is away.
    pub fn tier(&self) -> Tier {
        self.options.tier
    }

    /// The value of a key, or `None` if it is not cached. One GET.
    ///
    /// # Errors
    /// The client's; [`ErrorKind::Codec`] if the stored text is not the JSON of a `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        let bytes: Option<Bytes> = self.counted(Access::Read, self.client.get(key).await)?;
        let value = bytes.map(|bytes| decode(key, &bytes)).transpose();
        let value = self.counted(Access::Read, value)?;
        self.count_reads(usize::from(value.is_some()), 1);
        Ok(value)
    }

    /// The values of many keys in their order. One MGET.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get_many<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let stored: Vec<Option<Bytes>> =
            self.counted(Access::Read, self.client.mget(keys).await)?;
        let decode_one = |(bytes, key): (Option<Bytes>, &Key)| {
            bytes.map(|bytes| decode(key, &bytes)).transpose()
        };
        let values = stored.into_iter().zip(keys).map(decode_one).collect();
        let values: Vec<Option<T>> = self.counted(Access::Read, values)?;
        self.count_reads(values.iter().flatten().count(), keys.len());
        Ok(values)
    }

    /// Stores a value. One SET.
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
        let (json, options) = (encode(key, value)?, ttl.into().set_options()?);
        self.counted(Access::Write, self.client.set_with(key, json, options).await)?;
        self.shared.counters.stored(1);
        Ok(())
    }

    /// Stores many values with one time to live, in one round trip: a SET each, not as a unit.
    ///
    /// # Errors
    /// As for [`Cache::set`]; the first that failed. The others are stored.
    pub async fn set_many<'a, T: Serialize + 'a>(
        &self,
        entries: impl IntoIterator<Item = (&'a Key, &'a T)>,
        ttl: impl Into<Ttl>,
    ) -> Result<()> {
        let options = ttl.into().set_options()?;
        let pipeline = self.client.pipeline();
        let mut slots = Vec::new();
        for (key, value) in entries {
            slots.push(pipeline.set_with(key, encode(key, value)?, options.clone()));
        }
        let mut replies = self.counted(Access::Write, pipeline.exec().await)?;
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
        let mut replies = self.counted(Access::Write, pipeline.exec().await)?;
        self.counted(Access::Write, replies.take(leases))?;
        let count = self.counted(Access::Write, replies.take(entries))?;
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
