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
/// | [`form`](Self::form) | [`Form::Envelope`], where there is more to say than the plain value |
/// | [`compression`](Self::compression) | gzip from 1 KB |
/// | [`max_unpacked`](Self::max_unpacked) | 64 MB |
/// | `seal`, with the feature `encryption` | not sealed |
/// | [`lease`](Self::lease), [`lease_wait`](Self::lease_wait) | 10 s, until the lease is free |
/// | [`coalesce`](Self::coalesce) | on; in a Worker, for each request of its own |
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

    /// What happens when Redis is away. Default: [`Tier::Important`].
    #[must_use]
    pub fn tier(mut self, tier: Tier) -> Self {
        self.tier = tier;
        self
    }

    /// How values become bytes. What is stored in an envelope says its own codec and is read by any. Default:
    /// [`Codec::Json`].
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.format.codec = codec;
        self
    }

    /// Whether values are always stored as they are. Default: [`Form::Envelope`].
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.format.form = form;
        self
    }

    /// How large values are packed; `None`: never. Default: gzip from 1 KB, with the feature `gzip`.
    #[must_use]
    pub fn compression(mut self, compression: impl Into<Option<Compression>>) -> Self {
        self.format.compression = compression.into();
        self
    }

    /// How many bytes a packed value may come to; a larger one is an error, or loaded anew. Default: 64 MB.
    #[must_use]
    pub fn max_unpacked(mut self, bytes: usize) -> Self {
        self.format.max_unpacked = bytes;
        self
    }

    /// Seals values, and reads none that is not sealed. Default: not sealed.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn seal(mut self, keys: SealingKeys) -> Self {
        self.format.sealing = Some(keys);
        self
    }

    /// How long the right to store lasts when its holder is not heard of: others wait this long for a process that died.
    /// A load that takes longer than half of it renews it, by one script for each half. Default: 10 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long a miss waits for the value that another process is loading, before it loads on its own. Zero loads at
    /// once. Default: as long as that process holds the lease, at the most for the caller's
    /// [`hard_timeout`](super::LoadOptions::hard_timeout), so that one load at a time is under way.
    ///
    /// The first look is after 60 ms, the next ones after pauses that grow threefold, up to 1 second. Each look is one script.
    #[must_use]
    pub fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = Some(wait);
        self
    }

    /// Whether callers in this process who miss the same key wait for one load. Do not load a key inside of its own
    /// load then. The requests of a Worker must not wait for each other: there it counts only for what a request gets by
    /// [`Cache::wait_until`](super::Cache::wait_until), and for itself. Default: `true`.
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

    /// A tier between this process's memory and Redis that many processes near by share, such as a Worker's data center. A
    /// value without tags is served from there without asking Redis, and so may be stale for `ttl` at the most, counted
    /// from when it was read; what has tags costs an MGET of their versions, and is never older than their last
    /// invalidation. What this process writes and deletes it forgets there at once, and a value that was on its way to the
    /// store then, as soon as the store has taken it. Behind a [first tier](Self::l1), a value
    /// may be stale for the sum of both times. A ttl below the store's [`EdgeStore::min_ttl`] leaves the store out, with a
    /// warning. Default: none.
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

    /// A cache in front of the application, such as a CDN, that is told of every tag that
    /// [`Cache::invalidate_tags`](super::Cache::invalidate_tags) invalidates, before that returns. A failure is logged and
    /// counted, and not the caller's; so is a purge that takes longer than 10 seconds. Default: none.
    #[must_use]
    pub fn purge(mut self, cache_in_front: impl Purge) -> Self {
        self.purge = Some(Local::new(Arc::new(cache_in_front)));
        self
    }

    /// The keyspace that all keys of this cache are in: what [`Cache::clear`](super::Cache::clear) empties. Default: none.
    #[must_use]
    pub fn keyspace(mut self, keyspace: Keyspace) -> Self {
        self.keyspace = Some(keyspace);
        self
    }

    /// A tag that every entry of this cache carries, so that [`Cache::clear`](super::Cache::clear) is one command
    /// whatever the number of entries. It costs an MGET in the round trip of each read. Default: none.
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
