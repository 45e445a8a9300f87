use std::future::Future;
use std::marker::PhantomData;

use futures_util::future::join;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::tags::user_tag;
use super::ttls::CacheTtls;
use crate::cache::{Cache, Cached, EntryOptions, Invalidated, Stored, Ttl};
use crate::platform::MaybeSend;
use crate::{BoxError, Error, Key, Keyspace, Result};

/// Whether a conversation still changes, which decides how long it is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConversationStatus {
    /// It may still change.
    Active,
    /// It does not change any more.
    Completed,
}

const LISTS: Keyspace = Keyspace::literal("user-conversations");

/// Conversations, under `conversation:{conversationId}`, and lists of a user's conversations, under
/// `user-conversations:{userId}:{list}`.
#[derive(Debug, Clone)]
pub struct ConversationCache<C> {
    cache: Cache,
    ttls: CacheTtls,
    conversation: PhantomData<fn() -> C>,
}

impl<C> ConversationCache<C> {
    pub(super) fn new(cache: Cache, ttls: CacheTtls) -> Self {
        Self { cache, ttls, conversation: PhantomData }
    }

    /// The key of a conversation.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the id is empty or too long. The other methods return
    /// this error too.
    pub fn key(&self, conversation_id: &str) -> Result<Key> {
        const CONVERSATIONS: Keyspace = Keyspace::literal("conversation");
        CONVERSATIONS.key(conversation_id)
    }

    /// The key of a list.
    ///
    /// # Errors
    /// As for [`ConversationCache::key`].
    pub fn list_key(&self, user_id: &str, list: &str) -> Result<Key> {
        LISTS.key((user_id, list))
    }

    fn ttl(&self, status: ConversationStatus) -> Ttl {
        match status {
            ConversationStatus::Active => self.ttls.conversation_active,
            ConversationStatus::Completed => self.ttls.conversation_completed,
        }
    }

    fn list_tag(user_id: &str) -> Result<String> {
        Ok(LISTS.key(user_id)?.as_str().to_owned())
    }

    /// Invalidates a conversation, and all lists of its user. Two round trips at the same time.
    ///
    /// # Errors
    /// As for [`Cache::delete`] and [`Cache::invalidate_tags`].
    pub async fn invalidate(&self, user_id: &str, conversation_id: &str) -> Result<()> {
        let key = self.key(conversation_id)?;
        let (deleted, lists) = join(self.cache.delete(&key), self.invalidate_lists(user_id)).await;
        deleted.and(lists).map(drop)
    }

    /// Invalidates all lists of a user, `user-conversations:{userId}:*`, by one script instead of a scan.
    ///
    /// # Errors
    /// As for [`Cache::invalidate_tags`].
    pub async fn invalidate_lists(&self, user_id: &str) -> Result<Invalidated> {
        self.cache.invalidate_tags([Self::list_tag(user_id)?]).await
    }

    /// A list of a user's conversations, such as a page, loaded if it is not cached. One round trip for a hit.
    ///
    /// # Errors
    /// As for [`Cache::get_or_load`].
    pub async fn list_or_load<T: Cached, E: Into<BoxError>, F>(
        &self,
        user_id: &str,
        list: &str,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, E>> + MaybeSend,
    {
        let tags = [user_tag(user_id)?, Self::list_tag(user_id)?];
        let options = EntryOptions::new(self.ttls.conversation_list).tags(tags);
        self.cache.get_or_load(&self.list_key(user_id, list)?, options, load).await
    }
}

impl<C: Serialize + DeserializeOwned> ConversationCache<C> {
    /// A cached conversation. Two round trips: a GET, and an MGET of the version of its tag.
    ///
    /// # Errors
    /// As for [`Cache::get`].
    pub async fn get(&self, conversation_id: &str) -> Result<Option<C>> {
        self.cache.get(&self.key(conversation_id)?).await
    }

    /// Stores a user's conversation, with the time to live of its status. Two round trips.
    ///
    /// # Errors
    /// As for [`Cache::set`].
    pub async fn set(
        &self,
        user_id: &str,
        conversation_id: &str,
        conversation: &C,
        status: ConversationStatus,
    ) -> Result<Stored> {
        let options = EntryOptions::new(self.ttl(status)).tags([user_tag(user_id)?]);
        self.cache.set(&self.key(conversation_id)?, conversation, options).await
    }

    /// A user's conversation. If it is not cached, `load` returns it and its status, which decides how long it is cached.
    /// If it is invalidated while it is loaded, it is not stored. One round trip for a hit. Concurrent callers do not
    /// share a load.
    ///
    /// # Errors
    /// That of `load`; otherwise as for [`Cache::get`] and [`Cache::begin_store`].
    pub async fn get_or_load<E: Into<BoxError>, F>(
        &self,
        user_id: &str,
        conversation_id: &str,
        load: impl FnOnce() -> F + MaybeSend,
    ) -> Result<C>
    where
        F: Future<Output = Result<(C, ConversationStatus), E>> + MaybeSend,
    {
        let key = self.key(conversation_id)?;
        let options = EntryOptions::new(self.ttls.conversation_active).tags([user_tag(user_id)?]);
        let cached = self.cache.find(&key, &options.clone().into()).await?.0;
        if let Some(found) = cached.found() {
            return Ok(found);
        }
        let guard = self.cache.begin_store(&key, options).await?;
        let loaded = match &guard {
            Some(guard) => guard.while_held(load()).await,
            None => load().await,
        };
        let (conversation, status) = loaded.map_err(|error| Error::store(error.into()))?;
        if let Some(guard) = guard {
            guard.store_for(&conversation, self.ttl(status)).await?;
        }
        Ok(conversation)
    }
}
