use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::cache::{CacheStats, Health};
use crate::store::{CachingStore, Extra, Record, RecordId, Store, StoreConfig};
use crate::{BoxError, Key, Keyspace, Result};

/// A conversation, without its messages. In JSON the fields are in camelCase; fields that are not listed here are kept in
/// `extra`. Points in time are text in the form of JavaScript's `Date.toISOString()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Conversation {
    /// The identifier. It is unique across all tenants.
    pub id: String,
    /// The tenant.
    pub tenant_id: String,
    /// The user who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The active branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_path_id: Option<String>,
    /// When it was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<String>,
    /// When it was created.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// When the last message was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message_at: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Conversation {
    /// A conversation that is created now.
    pub fn new(
        id: impl Into<String>,
        tenant_id: impl Into<String>,
        now: impl Into<String>,
    ) -> Self {
        let now = now.into();
        Self {
            id: id.into(),
            tenant_id: tenant_id.into(),
            user_id: None,
            title: None,
            active_path_id: None,
            archived_at: None,
            created_at: now.clone(),
            updated_at: now,
            last_message_at: None,
            extra: Extra::new(),
        }
    }
}

impl Record for Conversation {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// The identifier of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MessageId {
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The message.
    pub id: String,
}

impl RecordId for MessageId {
    fn parts(&self) -> Vec<&str> {
        vec![&self.tenant_id, &self.conversation_id, &self.id]
    }
}

/// A message of a conversation. In JSON the fields are in camelCase; fields that are not listed here are kept in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Message {
    /// The identifier.
    pub id: String,
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The author: `user`, `assistant` or `system`.
    pub role: String,
    /// The text.
    pub content: String,
    /// When it was sent.
    pub created_at: String,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Message {
    /// A user's message that is sent now.
    pub fn new(id: MessageId, content: impl Into<String>, now: impl Into<String>) -> Self {
        Self {
            id: id.id,
            tenant_id: id.tenant_id,
            conversation_id: id.conversation_id,
            role: "user".to_owned(),
            content: content.into(),
            created_at: now.into(),
            extra: Extra::new(),
        }
    }
}

impl MessageId {
    /// A message of a tenant's conversation.
    pub fn new(
        tenant_id: impl Into<String>,
        conversation_id: impl Into<String>,
        id: impl Into<String>,
    ) -> Self {
        Self { tenant_id: tenant_id.into(), conversation_id: conversation_id.into(), id: id.into() }
    }
}

impl Record for Message {
    type Id = MessageId;

    fn id(&self) -> MessageId {
        MessageId::new(&self.tenant_id, &self.conversation_id, &self.id)
    }
}

/// The store of conversations, cached under `copilot:conv:conversation:{conversationId}`.
///
/// The record contains the time of the last message, so an append changes it and invalidates its entry. Messages themselves
/// are not cached: read them from their own store.
///
/// The key does not contain the tenant, so reads check it: for another tenant the conversation does not exist, cached or
/// not. The backing store decides who may write.
#[derive(Clone)]
pub struct ConversationStore {
    conversations: CachingStore<Conversation>,
    messages: CachingStore<Message>,
}

impl ConversationStore {
    /// A tenant's conversation; `None` if the tenant has no conversation with this id. One GET if it is cached.
    ///
    /// # Errors
    /// As for [`CachingStore::get`].
    pub async fn get(
        &self,
        tenant_id: &str,
        conversation_id: &str,
    ) -> Result<Option<Conversation>> {
        let found = self.conversations.get(&conversation_id.to_owned()).await?;
        Ok(found.filter(|conversation| conversation.tenant_id == tenant_id))
    }

    /// Writes a conversation to the backing store, then deletes the cached one. Two commands, one round trip.
    ///
    /// # Errors
    /// As for [`CachingStore::set`].
    pub async fn set(&self, conversation: &Conversation) -> Result<()> {
        self.conversations.set(conversation).await
    }

    /// Deletes a tenant's conversation from the backing store, then from the cache; returns whether the tenant had it. A read
    /// as by [`ConversationStore::get`], then two commands in one round trip.
    ///
    /// # Errors
    /// As for [`CachingStore::delete`].
    pub async fn delete(&self, tenant_id: &str, conversation_id: &str) -> Result<bool> {
        match self.get(tenant_id, conversation_id).await? {
            Some(_) => self.conversations.delete(&conversation_id.to_owned()).await,
            None => Ok(false),
        }
    }

    /// Writes a message to the store of messages, then deletes the cached conversation. Two commands, one round trip.
    ///
    /// # Errors
    /// That of the messages' store; the cache's in the tier [`Tier::Critical`](crate::cache::Tier::Critical), after the message
    /// was written.
    pub async fn append(&self, message: &Message) -> Result<()> {
        let written = self.messages.set(message).await;
        // Also after an error, because the write may have taken place.
        let invalidated = self.invalidate(&message.conversation_id).await;
        written.and(invalidated)
    }

    /// Deletes the cached conversation. Call it after a write that bypassed this store.
    ///
    /// # Errors
    /// As for [`CachingStore::invalidate`].
    pub async fn invalidate(&self, conversation_id: &str) -> Result<()> {
        self.conversations.invalidate(&conversation_id.to_owned()).await
    }

    /// The key that a conversation is cached under.
    ///
    /// # Errors
    /// As for [`CachingStore::key`].
    pub fn key(&self, conversation_id: &str) -> Result<Key> {
        self.conversations.key(&conversation_id.to_owned())
    }

    /// Listens to the writes of other processes; see [`CachingStore::follow_invalidations`].
    ///
    /// # Errors
    /// As for [`CachingStore::follow_invalidations`].
    pub async fn follow_invalidations(&self) -> Result<()> {
        self.conversations.follow_invalidations().await
    }

    /// How many invalidations the cache still owes to Redis; see [`Cache::owed`](crate::cache::Cache::owed).
    pub fn owed(&self) -> u64 {
        self.conversations.owed()
    }

    /// Carries out the owed invalidations; returns whether nothing is left.
    pub async fn catch_up(&self) -> bool {
        self.conversations.catch_up().await
    }

    /// Checks whether the cache answers. It does not fail: it reports errors.
    pub async fn health(&self) -> Health {
        self.conversations.health().await
    }

    /// The statistics of this store's cache.
    pub fn stats(&self) -> CacheStats {
        self.conversations.stats()
    }
}

impl fmt::Debug for ConversationStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConversationStore")
            .field("conversations", &self.conversations)
            .finish_non_exhaustive()
    }
}

/// Creates the store of conversations from its config and the store of messages.
///
/// A write to `messages` must also update the time of the last message in the conversation's record. A database does so by
/// a trigger; [`MemoryConversations`] does so itself. The absence of a conversation is not cached, unless the config asks
/// for it.
///
/// ```
/// use edgecask::Client;
/// use edgecask::store::StoreConfig;
/// use edgecask::systems::copilot::{
///     Conversation, MemoryConversations, Message, MessageId, create_conversation_store,
/// };
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let database = MemoryConversations::new();
/// let config = StoreConfig::new().backing(database.clone()).client(Client::memory());
/// let conversations = create_conversation_store(config, database)?;
///
/// conversations.set(&Conversation::new("c1", "acme", "2026-11-28T10:00:00.000Z")).await?;
/// assert!(conversations.get("acme", "c1").await?.is_some());
/// assert!(conversations.get("globex", "c1").await?.is_none());
///
/// let id = MessageId::new("acme", "c1", "m1");
/// conversations.append(&Message::new(id, "What is a cache?", "2026-11-28T10:00:01.000Z")).await?;
/// let now = conversations.get("acme", "c1").await?.expect("it is there");
/// assert_eq!(now.last_message_at.as_deref(), Some("2026-11-28T10:00:01.000Z"));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the config asks for a time to live of zero.
pub fn create_conversation_store(
    config: StoreConfig<Conversation>,
    messages: impl Store<Message>,
) -> Result<ConversationStore> {
    const CONVERSATIONS: Keyspace = Keyspace::literal("copilot:conv:conversation");
    // Nothing is cached under it, because there is no client.
    const MESSAGES: Keyspace = Keyspace::literal("copilot:conv:message");
    Ok(ConversationStore {
        conversations: CachingStore::new(config, CONVERSATIONS, None)?,
        messages: CachingStore::new(StoreConfig::new().backing(messages), MESSAGES, None)?,
    })
}

/// Conversations and their messages in this process's memory. For tests and development. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryConversations(Arc<Mutex<HashMap<String, StoredConversation>>>);

struct StoredConversation {
    conversation: Conversation,
    messages: Vec<Message>,
}

impl MemoryConversations {
    /// No conversations.
    pub fn new() -> Self {
        Self::default()
    }

    /// The messages of a tenant's conversation in the order of their appends.
    pub fn messages(&self, tenant_id: &str, conversation_id: &str) -> Vec<Message> {
        let talks = self.lock();
        let talk = talks.get(conversation_id).filter(|talk| talk.is_of(tenant_id));
        talk.map(|talk| talk.messages.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, StoredConversation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StoredConversation {
    fn is_of(&self, tenant_id: &str) -> bool {
        self.conversation.tenant_id == tenant_id
    }
}

impl fmt::Debug for MemoryConversations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryConversations").field("len", &self.lock().len()).finish()
    }
}

/// A conversation of another tenant is not overwritten.
impl Store<Conversation> for MemoryConversations {
    async fn get(&self, id: &String) -> Result<Option<Conversation>, BoxError> {
        Ok(self.lock().get(id).map(|talk| talk.conversation.clone()))
    }

    async fn set(&self, conversation: &Conversation) -> Result<(), BoxError> {
        let mut talks = self.lock();
        match talks.get_mut(&conversation.id) {
            Some(talk) if !talk.is_of(&conversation.tenant_id) => {
                return Err("the conversation is another tenant's".into());
            }
            Some(talk) => talk.conversation = conversation.clone(),
            None => {
                let talk =
                    StoredConversation { conversation: conversation.clone(), messages: Vec::new() };
                talks.insert(conversation.id.clone(), talk);
            }
        }
        Ok(())
    }

    async fn delete(&self, id: &String) -> Result<bool, BoxError> {
        Ok(self.lock().remove(id).is_some())
    }
}

/// A message can be stored only if its conversation exists.
impl Store<Message> for MemoryConversations {
    async fn get(&self, id: &MessageId) -> Result<Option<Message>, BoxError> {
        let messages = self.messages(&id.tenant_id, &id.conversation_id);
        Ok(messages.into_iter().find(|message| message.id == id.id))
    }

    async fn set(&self, message: &Message) -> Result<(), BoxError> {
        let mut talks = self.lock();
        let talk = talks.get_mut(&message.conversation_id);
        let Some(talk) = talk.filter(|talk| talk.is_of(&message.tenant_id)) else {
            return Err("the tenant has no such conversation".into());
        };
        match talk.messages.iter_mut().find(|own| own.id == message.id) {
            Some(own) => *own = message.clone(),
            None => talk.messages.push(message.clone()),
        }
        talk.conversation.last_message_at = Some(message.created_at.clone());
        talk.conversation.updated_at.clone_from(&message.created_at);
        Ok(())
    }

    async fn delete(&self, id: &MessageId) -> Result<bool, BoxError> {
        let mut talks = self.lock();
        let talk = talks.get_mut(&id.conversation_id).filter(|talk| talk.is_of(&id.tenant_id));
        let Some(talk) = talk else { return Ok(false) };
        let before = talk.messages.len();
        talk.messages.retain(|message| message.id != id.id);
        Ok(talk.messages.len() < before)
    }
}
