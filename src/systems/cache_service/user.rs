use std::future::Future;
use std::marker::PhantomData;

use super::tags::user_tag;
use super::ttls::CacheTtls;
use crate::cache::{Cache, Cached, EntryOptions, Invalidated, Stored};
use crate::platform::MaybeSend;
use crate::{BoxError, Error, Key, Keyspace, Result};

/// Users' profiles, under `user:{userId}:profile`.
#[derive(Debug, Clone)]
pub struct UserCache<U> {
    cache: Cache,
    ttls: CacheTtls,
    user: PhantomData<fn() -> U>,
}

impl<U> UserCache<U> {
    pub(super) fn new(cache: Cache, ttls: CacheTtls) -> Self {
        Self { cache, ttls, user: PhantomData }
    }

    /// The key of a profile.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the id is empty or too long. The other methods return
    /// this error too.
    pub fn key(&self, user_id: &str) -> Result<Key> {
        const USERS: Keyspace = Keyspace::literal("user");
        USERS.key((user_id, "profile"))
    }

    fn options(&self, user_id: &str) -> Result<EntryOptions> {
        Ok(EntryOptions::new(self.ttls.user_profile)
            .tags([user_tag(user_id)?, "profiles".to_owned()]))
    }

    /// Writes to the database by `write`, then invalidates everything that is cached for the user: one script. It also does
    /// so if `write` fails, because the write may have taken place.
    ///
    /// # Errors
    /// That of `write`; otherwise as for [`Cache::invalidate_tags`].
    pub async fn update<T, E, F>(
        &self,
        user_id: &str,
        write: impl FnOnce() -> F + MaybeSend,
    ) -> Result<T>
    where
        E: Into<BoxError>,
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        user_tag(user_id)?;
        let written = write().await.map_err(|error| Error::store(error.into()));
        let invalidated = self.invalidate(user_id).await;
        written.and_then(|written| invalidated.map(|_| written))
    }

    /// Invalidates everything that is cached for the user: profile, sessions, conversations, and the routes with the tag.
    /// One script.
    ///
    /// # Errors
    /// As for [`Cache::invalidate_tags`].
    pub async fn invalidate(&self, user_id: &str) -> Result<Invalidated> {
        self.cache.invalidate_tags([user_tag(user_id)?]).await
    }

    /// Invalidates the profiles of all users. One script.
    ///
    /// # Errors
    /// As for [`Cache::invalidate_tags`].
    pub async fn invalidate_all(&self) -> Result<Invalidated> {
        self.cache.invalidate_tags(["profiles"]).await
    }
}

impl<U: Cached> UserCache<U> {
    /// A cached profile; `None` if there is none, or if the entry does not decode as one. One round trip: a GET, and an MGET of the
    /// versions of its tags.
    ///
    /// # Errors
    /// Those of the client in the tier [`Tier::Critical`](crate::cache::Tier::Critical).
    pub async fn get(&self, user_id: &str) -> Result<Option<U>> {
        let options = self.options(user_id)?.into();
        Ok(self.cache.find(&self.key(user_id)?, &options).await?.0.found())
    }

    /// A profile, loaded if it is not cached. One round trip for a hit.
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`].
    pub async fn get_or_load<E: Into<BoxError>, F>(
        &self,
        user_id: &str,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<U>
    where
        F: Future<Output = Result<U, E>> + MaybeSend,
    {
        self.cache.get_or_load(&self.key(user_id)?, self.options(user_id)?, load).await
    }

    /// Stores a profile. Two round trips.
    ///
    /// # Errors
    /// As for [`Cache::set`].
    pub async fn set(&self, user_id: &str, user: &U) -> Result<Stored> {
        self.cache.set(&self.key(user_id)?, user, self.options(user_id)?).await
    }
}
