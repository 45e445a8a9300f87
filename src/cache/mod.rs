//! The cache: typed values under keys, with a time to live, loaded when they are missing.
//!
//! | to | take |
//! |---|---|
//! | read, load what is missing | [`Cache::get`], [`Cache::get_many`], [`Cache::get_or_load`], [`Cache::get_or_load_many`], [`Cache::get_or_revalidate`] |
//! | store | [`Cache::set`], [`Cache::set_many`], [`Cache::begin_store`]; how: [`EntryOptions`], [`CacheOptions`] |
//! | invalidate | [`Cache::delete`], [`Cache::invalidate_tags`], [`Cache::delete_matching`], [`Cache::clear`] |
//! | use values of one type under one keyspace | [`Namespace`] |
//! | keep values in this process as well | [`L1Options`], [`Cache::follow_invalidations`] |
//! | keep values in a Worker's data center as well | [`CacheOptions::edge`], [`EdgeStore`] |
//! | load before it is asked for | [`Cache::warm`], [`Usage`] |
//! | watch | [`Cache::stats`], [`Cache::health`], [`ServerStats`], [`Cache::key_distribution`] |

#[cfg(feature = "http-cache")]
mod blobs;
mod core;
mod entry;
mod invalidate;
mod load;
mod lookup;
mod namespace;
mod observe;
mod options;
mod outage;
mod tiers;
mod token;
mod warm;
mod write;

use std::fmt;
use std::sync::Arc;

use self::core::{Core, Scope};
#[cfg(feature = "encryption")]
pub use self::entry::SealingKeys;
pub use self::entry::{Codec, Compression, EntryOptions, Form, Ttl, stored_form};
#[cfg(feature = "http-cache")]
pub(crate) use self::invalidate::Versions;
pub use self::invalidate::{Invalidated, Progress, Purge};
#[cfg(feature = "http-cache")]
pub(crate) use self::load::IfHeld;
pub use self::load::{Cached, LoadOptions, StoreGuard};
pub(crate) use self::lookup::Lookup;
pub use self::namespace::Namespace;
pub use self::observe::{
    CacheStats, Health, HealthBackend, Histogram, KeyDistribution, ServerStats,
};
pub use self::options::CacheOptions;
#[cfg(all(target_arch = "wasm32", target_os = "unknown", feature = "rest"))]
pub use self::tiers::WorkerCache;
pub use self::tiers::{EdgeStore, L1Options};
pub use self::warm::{Usage, WarmOptions, Warmed};
pub use self::write::Stored;
use crate::client::Client;
use crate::command::Script;
use crate::platform::{self, Background, BoxFuture, MaybeSend, MaybeSync};
pub use crate::tier::Tier;

/// The Lua scripts that a cache sends.
pub(crate) fn scripts() -> [&'static Script; 5] {
    [
        &load::LEASE,
        &load::STORE_IF_LEASED,
        &load::RENEW_LEASE,
        &load::RELEASE_LEASE,
        &invalidate::TAG_VERSION,
    ]
}

/// A cache of typed values over any [`Client`]. Clones share the client, the first tier and the statistics.
///
/// Values are stored as plain JSON where possible, so that programs in other languages can read them, and otherwise in a
/// documented [envelope](stored_form). Every entry has a time to live. An entry that never expires asks for
/// [`Ttl::FOREVER`].
///
/// When Redis is away, the [tier](CacheOptions::tier) decides. By default nothing fails: reads find nothing or call the
/// loader, writes are lost, and invalidations are kept in this process. Until they are carried out in Redis, this cache
/// serves nothing from there. [`Invalidated::is_owed`] and [`Stored::is_owed`] tell the caller. One warning is logged for
/// an outage. A cache never uses a [`Fallback`](crate::layer::Fallback) of its client.
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
/// assert_eq!(cache.delete(&key).await?.count(), 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cache {
    core: Arc<Core>,
    scope: Scope,
}

impl Cache {
    /// A cache over this client, with the default options.
    pub fn new(client: Client) -> Self {
        Self::with_options(client, CacheOptions::new())
    }

    /// A cache over this client.
    pub fn with_options(client: Client, options: CacheOptions) -> Self {
        Self { core: Arc::new(Core::new(client, options)), scope: Scope::default() }
    }

    /// The same cache, with background work handed to `hook`: in a Worker, the request's `wait_until`. Without it,
    /// background work in a Worker ends with the request. Also without it, callers in a Worker that miss the same key do
    /// not share a load, because a request must not wait for another request's future.
    ///
    /// ```
    /// # use edgecask::{Client, cache::Cache};
    /// let cache = Cache::new(Client::memory());
    /// let of_this_request = cache.wait_until(|work| drop(tokio::spawn(work)));
    /// ```
    #[must_use]
    pub fn wait_until(
        &self,
        hook: impl Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        let single_flight = match platform::shares_futures() {
            true => Arc::clone(&self.scope.single_flight),
            false => Arc::default(),
        };
        let scope = Scope { background: Background::hook(hook), single_flight };
        Self { core: Arc::clone(&self.core), scope }
    }

    /// The client that the cache was created with. Commands that are sent by it may go to a
    /// [`Fallback`](crate::layer::Fallback); those of the cache do not.
    pub fn client(&self) -> &Client {
        &self.core.client
    }

    /// The statistics since the cache was created, or since [`Cache::reset_stats`].
    pub fn stats(&self) -> CacheStats {
        self.core.counters.snapshot()
    }

    /// Sets the statistics back to zero.
    pub fn reset_stats(&self) {
        self.core.counters.reset();
    }

    fn options(&self) -> &CacheOptions {
        &self.core.options
    }

    /// Bytes that entries refer to.
    #[cfg(feature = "http-cache")]
    pub(crate) fn blobs(&self) -> &blobs::Blobs {
        &self.core.blobs
    }

    /// Where work in the background runs.
    #[cfg(feature = "http-cache")]
    pub(crate) fn background(&self) -> &crate::platform::Background {
        &self.scope.background
    }

    /// Starts work in the background: no caller waits for it.
    #[cfg(feature = "http-cache")]
    pub(crate) fn in_background(&self, work: BoxFuture<'static, ()>) {
        self.scope.background.spawn(work);
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("client", &self.core.client)
            .field("options", self.options())
            .field("l1", &self.core.l1)
            .finish_non_exhaustive()
    }
}
