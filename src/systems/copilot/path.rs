use serde::{Deserialize, Serialize};

use crate::store::{CachingStore, Extra, Record, RecordId, StoreConfig};
use crate::{Keyspace, Result};

/// The identifier of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PathId {
    /// The tenant.
    pub tenant_id: String,
    /// The branch.
    pub path_id: String,
}

impl PathId {
    /// A tenant's branch.
    pub fn new(tenant_id: impl Into<String>, path_id: impl Into<String>) -> Self {
        Self { tenant_id: tenant_id.into(), path_id: path_id.into() }
    }
}

impl RecordId for PathId {
    fn parts(&self) -> Vec<&str> {
        vec![&self.tenant_id, &self.path_id]
    }
}

/// A branch of a conversation. In JSON the fields are in camelCase; fields that are not listed here are kept in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConversationPath {
    /// The identifier.
    pub id: String,
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The branch that it forks from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_path_id: Option<String>,
    /// The message after which it forks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch_point_message_id: Option<String>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is the conversation's first branch.
    #[serde(default)]
    pub is_primary: bool,
    /// Whether it is active.
    #[serde(default)]
    pub is_active: bool,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ConversationPath {
    /// An active branch of a conversation that forks from no other.
    pub fn new(id: PathId, conversation_id: impl Into<String>) -> Self {
        Self {
            id: id.path_id,
            tenant_id: id.tenant_id,
            conversation_id: conversation_id.into(),
            parent_path_id: None,
            branch_point_message_id: None,
            name: None,
            is_primary: false,
            is_active: true,
            extra: Extra::new(),
        }
    }
}

impl Record for ConversationPath {
    type Id = PathId;

    fn id(&self) -> PathId {
        PathId::new(&self.tenant_id, &self.id)
    }
}

/// The store of conversations' branches. A branch is read and written once for each operation on it, so caching gains
/// little. It is cached only if the config has a client, under the keys `copilot:conv:path:{tenantId}:{pathId}`.
pub type ConversationPathStore = CachingStore<ConversationPath>;

/// Creates the store of branches from its config.
///
/// ```
/// use edgecask::store::StoreConfig;
/// use edgecask::systems::copilot::{ConversationPath, PathId, create_conversation_path_store};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let paths = create_conversation_path_store(StoreConfig::new())?;
/// let id = PathId::new("acme", "p1");
/// paths.set(&ConversationPath::new(id.clone(), "c1")).await?;
/// assert!(paths.get(&id).await?.is_some_and(|path| path.is_active));
/// assert!(paths.get(&PathId::new("globex", "p1")).await?.is_none());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the config asks for a time to live of zero.
pub fn create_conversation_path_store(
    config: StoreConfig<ConversationPath>,
) -> Result<ConversationPathStore> {
    const PATHS: Keyspace = Keyspace::literal("copilot:conv:path");
    CachingStore::new(config, PATHS, None)
}
