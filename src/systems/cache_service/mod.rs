//! The cache service: users, sessions, conversations and results of language models in one [`Cache`].
//!
//! | cache | key | time to live | tags |
//! |---|---|---|---|
//! | [`UserCache`] | `user:{userId}:profile` | 1 hour | `user:{userId}`, `profiles` |
//! | [`SessionCache`] | `session-token:{hash}` | 24 hours, or what the session has left | `user:{userId}` |
//! | [`ConversationCache`] | `conversation:{conversationId}` | active 5 minutes, completed 24 hours | `user:{userId}` |
//! | | `user-conversations:{userId}:{list}` | 10 minutes | `user:{userId}`, `user-conversations:{userId}` |
//! | [`AiCache`] | `openai:transcription:{audioHash}` | 30 days | |
//! | | `openai:analysis:{name}` | for ever | |
//!
//! Values are entries of a [`Cache`]: plain JSON if they have no tags and are not compressed, and otherwise in its
//! [envelope](crate::cache::stored_form). Plain JSON that another program wrote is always read. Values of 1 KB and more are
//! compressed with gzip. All times are settings in [`CacheTtls`].
//!
//! A write to a user invalidates the tag `user:{userId}`. This one command invalidates everything of the user, in this
//! service and in routes whose
//! [`HttpCacheOptions::tags`](https://docs.rs/edgecask/latest/edgecask/http_cache/struct.HttpCacheOptions.html) name
//! [`user_tag`]. When Redis is away, reads find nothing and loaders are called; nothing fails
//! ([`Tier::Important`](crate::cache::Tier)).
//!
//! ```
//! use edgecask::{BoxError, Client, cache::Cache};
//! use edgecask::systems::cache_service::CacheService;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let service = CacheService::new(Cache::new(Client::memory()));
//! let users = service.users::<String>();
//! let load = || async { Ok::<_, BoxError>("Ada".to_owned()) };
//! assert_eq!(users.get_or_load("123", load).await?, "Ada");
//!
//! let write = || async { Ok::<_, BoxError>(()) }; // UPDATE users …
//! users.update("123", write).await?;
//! assert_eq!(users.get("123").await?, None, "everything of the user is gone");
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ai;
mod conversation;
mod entries;
mod session;
mod tags;
mod ttls;
mod user;

pub use self::ai::{AiCache, audio_hash};
pub use self::conversation::{ConversationCache, ConversationStatus};
pub use self::entries::{CacheEntry, keys};
pub use self::session::SessionCache;
pub use self::tags::user_tag;
pub use self::ttls::CacheTtls;
pub use self::user::UserCache;
use crate::cache::Cache;

/// The caches of a service, over one [`Cache`].
#[derive(Debug, Clone)]
pub struct CacheService {
    cache: Cache,
    ttls: CacheTtls,
}

impl CacheService {
    /// Caches with the default times to live.
    pub fn new(cache: Cache) -> Self {
        Self { cache, ttls: CacheTtls::default() }
    }

    /// Caches with other times to live.
    #[must_use]
    pub fn ttls(mut self, ttls: CacheTtls) -> Self {
        self.ttls = ttls;
        self
    }

    /// The cache of users' profiles.
    pub fn users<U>(&self) -> UserCache<U> {
        UserCache::new(self.cache.clone(), self.ttls)
    }

    /// The cache of sessions.
    pub fn sessions<S>(&self) -> SessionCache<S> {
        SessionCache::new(self.cache.clone(), self.ttls)
    }

    /// The cache of conversations.
    pub fn conversations<C>(&self) -> ConversationCache<C> {
        ConversationCache::new(self.cache.clone(), self.ttls)
    }

    /// The cache of the results of language models.
    pub fn ai(&self) -> AiCache {
        AiCache::new(self.cache.clone(), self.ttls)
    }

    /// The underlying cache, for its statistics, its health and warming.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }
}
