use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "encryption")]
use super::SealingKeys;
use super::entry::Format;
use super::{Codec, Compression, EdgeStore, Form, L1Options, Purge, Tier};
use crate::Keyspace;
use crate::platform::Local;

/// The settings of a [`Cache`](super::Cache).
///
/// | setting | default |
/// |---|---|
/// | [`tier`](Self::tier) | [`Tier::Important`] |
/// | [`codec`](Self::codec) | [`Codec::Json`] |
/// | [`form`](Self::form) | [`Form::Envelope`], for values that need metadata |
/// | [`compression`](Self::compression) | gzip from 1 KB |
/// | [`max_unpacked`](Self::max_unpacked) | 64 MB |
/// | `seal`, with the feature `encryption` | not sealed |
/// | [`lease`](Self::lease), [`lease_wait`](Self::lease_wait) | 10 s, until the lease is free |
/// | [`coalesce`](Self::coalesce) | on; in a Worker, within each request |
/// | [`l1`](Self::l1) | none |
/// | [`edge`](Self::edge) | none |
/// | [`bus`](Self::bus) | none |
/// | [`purge`](Self::purge) | none |
/// | [`keyspace`](Self::keyspace), [`generation`](Self::generation) | none |
///
/// ```
/// use edgecask::cache::{CacheOptions, Tier};
/// use std::time::Duration;
///
/// let options = CacheOptions::new().tier(Tier::Critical).lease(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CacheOptions {
    pub(super) tier: Tier,
    pub(super) format: Format,
    pub(super) lease: Duration,
    pub(super) lease_wait: Option<Duration>,
    pub(super) coalesce: bool,
    pub(super) l1: Option<L1Options>,
    pub(super) edge: Option<(Local<Arc<dyn EdgeStore>>, Duration)>,
    pub(super) bus: Option<String>,
    pub(super) purge: Option<Local<Arc<dyn Purge>>>,
    pub(super) keyspace: Option<Keyspace>,
    pub(super) generation: Option<String>,
}

impl CacheOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            tier: Tier::default(),
            format: Format::new(),
            lease: Duration::from_secs(10),
            lease_wait: None,
            coalesce: true,
            l1: None,
            edge: None,
            bus: None,
            purge: None,
            keyspace: None,
            generation: None,
        }
    }

    /// How the cache behaves when Redis is away. Default: [`Tier::Important`].
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// How values become bytes. An envelope names its codec, so a cache reads the envelopes of any codec. Default:
    /// [`Codec::Json`].
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.format.codec = codec;
        self
    }

    /// Whether values may be stored in envelopes. Default: [`Form::Envelope`].
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.format.form = form;
        self
    }

    /// How large values are compressed; `None`: not at all. Default: gzip from 1 KB, with the feature `gzip`.
    #[must_use]
    pub fn compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.format.compression = compression.into();
        self
    }

    /// The most bytes of a decompressed value. A larger one is an error, or is reloaded. Default: 64 MB.
    #[must_use]
    pub fn max_unpacked(mut self, bytes: usize) -> Self {
        self.format.max_unpacked = bytes;
        self
    }

    /// Seals values, and reads sealed values only. Default: values are not sealed.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn seal(mut self, keys: SealingKeys) -> Self {
        self.format.sealing = Some(keys);
        self
    }

    /// The time to live of a lease, and so how long other processes wait for one that died. A load that takes longer than
    /// half of it renews the lease, by one script for each half. Default: 10 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long a miss waits for the value that another process is loading, before it loads the value itself. With zero it
    /// loads at once. Default: until that process's lease ends, but at most for the caller's
    /// [`hard_timeout`](super::LoadOptions::hard_timeout), so that there is one load at a time.
    ///
    /// It checks for the value after 60 ms, and then after pauses that triple, up to 1 second. Each check is one script.
    #[must_use]
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = Some(wait);
        self
    }

    /// Whether callers in this process that miss the same key share one load (single flight). A loader must then not load
    /// its own key through the cache. In a Worker, requests must not wait for each other: only callers that use the same
    /// cache from [`Cache::wait_until`](super::Cache::wait_until) share loads. Default: `true`.
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

    /// A tier between this process's memory and Redis, which nearby processes share, such as those in a Worker's data
    /// center. A value without tags is served from it without asking Redis, and so may be stale for at most `ttl`, counted
    /// from when it was read. A value with tags costs an MGET of their versions, and is never older than their last
    /// invalidation. The writes and deletions of this process delete the entry there at once; if an older value is being
    /// stored there at the same time, it is deleted afterwards. Behind a [first tier](Self::l1), a value may be stale for
    /// the sum of both times. If `ttl` is below the store's [`EdgeStore::min_ttl`], the store is not used, and a warning is
    /// logged. Default: none.
    #[must_use]
    pub fn edge(mut self, store: impl EdgeStore, ttl: Duration) -> Self {
        self.edge = Some((Local::new(Arc::new(store)), ttl));
        self
    }

    /// The channel on which invalidations are published for the first tiers of other processes; see
    /// [`Cache::follow_invalidations`](super::Cache::follow_invalidations). It costs a PUBLISH in the round trip of each
    /// write. Default: none.
    #[must_use]
    pub fn bus(mut self, channel: impl Into<String>) -> Self {
        self.bus = Some(channel.into());
        self
    }

    /// A cache in front of the application, such as a CDN. [`Cache::invalidate_tags`](super::Cache::invalidate_tags) purges
    /// its tags there before it returns. A purge that fails or takes longer than 10 seconds is logged and counted, and the
    /// caller gets no error. Default: none.
    #[must_use]
    pub fn purge(mut self, cache_in_front: impl Purge) -> Self {
        self.purge = Some(Local::new(Arc::new(cache_in_front)));
        self
    }

    /// The keyspace of all keys of this cache, which [`Cache::clear`](super::Cache::clear) empties. Default: none.
    #[must_use]
    pub fn keyspace(mut self, keyspace: Keyspace) -> Self {
        self.keyspace = Some(keyspace);
        self
    }

    /// A tag of every entry of this cache, so that [`Cache::clear`](super::Cache::clear) is one command for any number of
    /// entries. It costs an MGET in the round trip of each read. Default: none.
    #[must_use]
    pub fn generation(mut self, tag: impl Into<String>) -> Self {
        self.generation = Some(tag.into());
        self
    }
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self::new()
    }
}
