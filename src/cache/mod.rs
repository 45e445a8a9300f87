//! The cache: typed values under keys, with a time to live, loaded when they are missing.
//!
//! | to | take |
//! |---|---|
//! | read, load what is missing | [`Cache::get`], [`Cache::get_many`], [`Cache::get_or_load`], [`Cache::get_or_revalidate`] |
//! | store | [`Cache::set`], [`Cache::set_many`]; how: [`EntryOptions`], [`CacheOptions`] |
//! | invalidate | [`Cache::delete`], [`Cache::invalidate_tags`], [`Cache::delete_matching`], [`Cache::clear`] |
//! | hold values of one type under one keyspace | [`Namespace`] |
//! | keep values in this process as well | [`L1Options`], [`Cache::follow_invalidations`] |
//! | keep values in a Worker's data center as well | [`CacheOptions::edge`], [`EdgeStore`] |
//! | load before it is asked for | [`Cache::warm`], [`Usage`] |
//! | watch | [`Cache::stats`], [`Cache::health`], [`ServerStats`], [`Cache::key_distribution`] |

#[cfg(feature = "http-cache")]
mod blob;
mod bus;
mod edge;
mod entry_options;
mod flight;
mod format;
mod health;
mod histogram;
mod invalidate;
mod invalidated;
mod key_distribution;
mod l1;
mod lease;
mod load;
mod load_options;
mod namespace;
mod options;
mod outage;
mod pending;
mod permit;
mod prometheus;
mod read;
mod replay;
mod revalidate;
mod server_stats;
mod stats;
mod stripes;
mod tags;
mod tier;
mod ttl;
mod turn;
mod usage;
mod waiting;
mod warm;
#[cfg(all(target_arch = "wasm32", feature = "rest"))]
mod worker_cache;
mod write;

use std::fmt;
use std::sync::Arc;

pub use edge::EdgeStore;
pub use entry_options::EntryOptions;
pub(crate) use flight::Seat;
#[cfg(feature = "encryption")]
pub use format::SealingKeys;
pub use format::{Codec, Compression, Form};
pub use health::{Health, HealthBackend};
pub use histogram::Histogram;
pub use invalidate::Progress;
pub use invalidated::Invalidated;
pub use key_distribution::KeyDistribution;
pub use l1::L1Options;
pub use load::Cached;
pub use load_options::LoadOptions;
pub use namespace::Namespace;
pub use options::CacheOptions;
#[cfg(feature = "http-cache")]
pub(crate) use permit::Permit;
pub(crate) use read::Lookup;
pub use server_stats::ServerStats;
pub use stats::CacheStats;
#[cfg(feature = "http-cache")]
pub(crate) use tags::Versions;
pub use tier::Tier;
pub use ttl::Ttl;
pub use usage::Usage;
pub use warm::{WarmOptions, Warmed};
#[cfg(all(target_arch = "wasm32", feature = "rest"))]
pub use worker_cache::WorkerCache;

/// The formats of what a cache stores, for programs in other languages.
#[doc = include_str!("format/README.md")]
pub mod stored_form {}

use self::edge::Edge;
use self::flight::Flights;
use self::l1::L1;
use self::outage::Outage;
use self::replay::Missed;
use self::stats::Counters;
use crate::client::Client;
use crate::command::Script;
use crate::layer::WithoutFallback;
use crate::platform::{self, BoxFuture, Local, MaybeSend, MaybeSync};

/// The Lua scripts that a cache sends.
pub(crate) fn scripts() -> [&'static Script; 5] {
    [
        &lease::LEASE,
        &lease::STORE_IF_LEASED,
        &lease::RENEW_LEASE,
        &lease::RELEASE_LEASE,
        &tags::TAG_VERSION,
    ]
}

/// A cache of typed values over any [`Client`]. Clones share the client, the first tier and the statistics.
///
/// Values are stored as plain JSON where that is all there is to say, so that programs in other languages can read them;
/// else in a documented [envelope](stored_form). Every entry has a time to live; the one that has none asks for it by
/// name, [`Ttl::FOREVER`].
///
/// When Redis is away, the [tier](CacheOptions::tier) decides. By default nothing fails for it: reads find nothing or ask
/// the loader, writes are lost, and invalidations are kept in this process, which believes nothing that Redis says until
/// they are carried out there; [`Invalidated::is_owed`] says so to who asked for it. One warning is logged for an outage. A
/// cache never uses a [`Fallback`](crate::layer::Fallback) of its client.
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
    /// Without a fallback.
    client: Client,
    shared: Arc<Shared>,
    /// Shared with whoever may wait for this cache's loads.
    flights: Arc<Flights>,
    wait_until: Option<Local<Arc<dyn WaitUntil>>>,
}

trait WaitUntil: Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync {}
impl<F: Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync> WaitUntil for F {}

struct Shared {
    /// The client as it was given.
    given: Client,
    options: CacheOptions,
    counters: Counters,
    outage: Outage,
    missed: Missed,
    l1: Option<L1>,
    edge: Option<Arc<Edge>>,
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
        // What a fallback holds, nobody else sees: no invalidation of others reaches it.
        // A layer of the caller's may hide that there is one.
        let (given, client) = (client.clone(), client.layer(WithoutFallback));
        let shared = Shared {
            given,
            counters: Counters::default(),
            outage: Outage::default(),
            missed: Missed::default(),
            l1: options.l1.map(L1::new),
            edge: options.edge.clone().and_then(|(store, ttl)| Edge::new(store, ttl)).map(Arc::new),
            sender: if options.bus.is_some() { bus::sender() } else { String::new() },
            options,
        };
        Self { client, shared: Arc::new(shared), flights: Arc::default(), wait_until: None }
    }

    /// The same cache, whose background work is handed to `hook`: in a Worker, a request's `wait_until`. Without it, the
    /// work ends with the request there, and callers who miss the same key do not wait for one load: only those of one request
    /// may, so that a cache for the isolate is safe.
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
        let flights = match platform::shares_futures() {
            true => Arc::clone(&self.flights),
            false => Arc::default(),
        };
        Self { wait_until: Some(Local::new(Arc::new(hook))), flights, ..self.clone() }
    }

    /// The client that the cache was made of. What is sent by it may go to a [`Fallback`](crate::layer::Fallback); what the
    /// cache sends does not.
    pub fn client(&self) -> &Client {
        &self.shared.given
    }

    /// What happens when Redis is away.
    pub fn tier(&self) -> Tier {
        self.options().tier
    }

    /// What this cache has done since it was made or [`Cache::reset_stats`].
    pub fn stats(&self) -> CacheStats {
        self.shared.counters.snapshot()
    }

    /// Sets the statistics back to zero.
    pub fn reset_stats(&self) {
        self.shared.counters.reset();
    }

    fn options(&self) -> &CacheOptions {
        &self.shared.options
    }

    /// Starts work that nobody waits for.
    pub(crate) fn in_background(&self, work: BoxFuture<'static, ()>) {
        match &self.wait_until {
            Some(hook) => hook(work),
            None => platform::spawn(work),
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("client", &self.client)
            .field("options", self.options())
            .field("l1", &self.shared.l1)
            .finish_non_exhaustive()
    }
}
