use serde::{Deserialize, Serialize};

use crate::store::{CachingStore, Extra, Record, RecordId, StoreConfig};
use crate::{Keyspace, Result};

/// The identifier of a conversation's context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ContextId {
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
}

impl ContextId {
    /// The context of a tenant's conversation.
    pub fn new(tenant_id: impl Into<String>, conversation_id: impl Into<String>) -> Self {
        Self { tenant_id: tenant_id.into(), conversation_id: conversation_id.into() }
    }
}

impl RecordId for ContextId {
    fn parts(&self) -> Vec<&str> {
        vec![&self.tenant_id, &self.conversation_id]
    }
}

/// The current context of a conversation. In JSON the fields are in camelCase. Fields that are not listed here are kept in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConversationContext {
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The nodes of the application's graph that the conversation is about.
    #[serde(default)]
    pub active_node_ids: Vec<String>,
    /// The trace of the turn that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ConversationContext {
    /// An empty context.
    pub fn new(id: ContextId) -> Self {
        Self {
            tenant_id: id.tenant_id,
            conversation_id: id.conversation_id,
            active_node_ids: Vec::new(),
            trace_id: None,
            extra: Extra::new(),
        }
    }
}

impl Record for ConversationContext {
    type Id = ContextId;

    fn id(&self) -> ContextId {
        ContextId::new(&self.tenant_id, &self.conversation_id)
    }
}

/// The store of conversations' contexts. A context is read and written once a turn, so caching gains little. It is cached
/// only if the config has a client, under the keys `copilot:conv:context:{tenantId}:{conversationId}`.
pub type ConversationContextStore = CachingStore<ConversationContext>;

/// Creates the store of contexts from its config.
///
/// ```
/// use edgecask::cache::HealthBackend;
/// use edgecask::store::StoreConfig;
/// use edgecask::systems::copilot::{
///     ContextId, ConversationContext, create_conversation_context_store,
/// };
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let contexts = create_conversation_context_store(StoreConfig::new())?;
/// let mut context = ConversationContext::new(ContextId::new("acme", "c1"));
/// context.active_node_ids.push("node:1".to_owned());
/// contexts.set(&context).await?;
/// assert_eq!(contexts.get(&ContextId::new("acme", "c1")).await?, Some(context));
/// assert_eq!(contexts.health().await.backend, HealthBackend::None, "nothing is cached");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the config asks for a time to live of zero.
pub fn create_conversation_context_store(
    config: StoreConfig<ConversationContext>,
) -> Result<ConversationContextStore> {
    const CONTEXTS: Keyspace = Keyspace::literal("copilot:conv:context");
    CachingStore::new(config, CONTEXTS, None)
}
