use std::marker::PhantomData;
use std::time::Duration;

use super::tags::user_tag;
use super::ttls::CacheTtls;
use crate::cache::{Cache, Cached, EntryOptions, Invalidated, Stored};
use crate::{Error, ErrorKind, Key, Keyspace, Result};

/// Sessions by their tokens, under `session-token:{hash}`. The hash is BLAKE3 in hexadecimal, so that the keys of the
/// database reveal no token.
#[derive(Debug, Clone)]
pub struct SessionCache<S> {
    cache: Cache,
    ttls: CacheTtls,
    session: PhantomData<fn() -> S>,
}

impl<S> SessionCache<S> {
    pub(super) fn new(cache: Cache, ttls: CacheTtls) -> Self {
        Self { cache, ttls, session: PhantomData }
    }

    /// The key of a session.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the token is empty. The other methods return this error too.
    pub fn key(&self, token: &str) -> Result<Key> {
        const SESSIONS: Keyspace = Keyspace::literal("session-token");
        if token.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the token of a session must not be empty",
            ));
        }
        SESSIONS.key(&*blake3::hash(token.as_bytes()).to_hex())
    }

    /// Deletes a session from the cache. Two UNLINKs in one round trip.
    ///
    /// # Errors
    /// As for [`Cache::delete`].
    pub async fn delete(&self, token: &str) -> Result<Invalidated> {
        self.cache.delete(&self.key(token)?).await
    }

    /// Invalidates all of a user's sessions in the cache, and everything else that is cached for the user. One script.
    ///
    /// # Errors
    /// As for [`Cache::invalidate_tags`].
    pub async fn delete_all(&self, user_id: &str) -> Result<Invalidated> {
        self.cache.invalidate_tags([user_tag(user_id)?]).await
    }
}

impl<S: Cached> SessionCache<S> {
    /// The session of a token, if it is cached. Two round trips: a GET, and an MGET of the version of its tag.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get(&self, token: &str) -> Result<Option<S>> {
        self.cache.get(&self.key(token)?).await
    }

    /// Stores a session for the time that it has left; `None` if that is not known. It is never cached for longer than
    /// [`CacheTtls::user_sessions`]. Two round trips.
    ///
    /// # Errors
    /// As for [`Cache::set`]; [`ErrorKind::InvalidInput`] if the session has expired already.
    pub async fn set(
        &self,
        token: &str,
        user_id: &str,
        session: &S,
        expires_in: Option<Duration>,
    ) -> Result<Stored> {
        let most = self.ttls.user_sessions;
        let ttl = expires_in.map_or(most, |left| left.min(most));
        let options = EntryOptions::new(ttl).tags([user_tag(user_id)?]);
        self.cache.set(&self.key(token)?, session, options).await
    }
}
