use serde::{Deserialize, Serialize};

use crate::store::{CachingStore, Extra, Record, RecordId, StoreConfig};
use crate::{Keyspace, Result};

/// The identifier of a branch's sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ExecutionId {
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The branch.
    pub path_id: String,
}

impl ExecutionId {
    /// A branch of a tenant's conversation.
    pub fn new(
        tenant_id: impl Into<String>,
        conversation_id: impl Into<String>,
        path_id: impl Into<String>,
    ) -> Self {
        Self {
            tenant_id: tenant_id.into(),
            conversation_id: conversation_id.into(),
            path_id: path_id.into(),
        }
    }
}

impl RecordId for ExecutionId {
    fn parts(&self) -> Vec<&str> {
        vec![&self.tenant_id, &self.conversation_id, &self.path_id]
    }
}

/// The status of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SandboxStatus {
    /// It is being created.
    Creating,
    /// It is ready.
    Ready,
    /// It has failed.
    Error,
    /// It was terminated.
    Terminated,
}

/// The sandbox in which a branch of a conversation runs code. In JSON the fields are in camelCase; fields that are not
/// listed here are kept in `extra`. Points in time are text in the form of JavaScript's `Date.toISOString()`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExecutionContext {
    /// The tenant.
    pub tenant_id: String,
    /// The conversation.
    pub conversation_id: String,
    /// The branch.
    pub path_id: String,
    /// The sandbox.
    pub sandbox_id: String,
    /// The status of the sandbox.
    pub sandbox_status: SandboxStatus,
    /// When it was created.
    pub created_at: String,
    /// When it was last used.
    pub last_used_at: String,
    /// When it expires.
    pub expires_at: String,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ExecutionContext {
    /// A sandbox that is being created now and expires at this time.
    pub fn new(
        id: ExecutionId,
        sandbox_id: impl Into<String>,
        now: impl Into<String>,
        expires_at: impl Into<String>,
    ) -> Self {
        let now = now.into();
        Self {
            tenant_id: id.tenant_id,
            conversation_id: id.conversation_id,
            path_id: id.path_id,
            sandbox_id: sandbox_id.into(),
            sandbox_status: SandboxStatus::Creating,
            created_at: now.clone(),
            last_used_at: now,
            expires_at: expires_at.into(),
            extra: Extra::new(),
        }
    }
}

impl Record for ExecutionContext {
    type Id = ExecutionId;

    fn id(&self) -> ExecutionId {
        ExecutionId::new(&self.tenant_id, &self.conversation_id, &self.path_id)
    }
}

/// The store of sandboxes. Sandboxes live for minutes and are written with every use, so caching gains nothing. They are
/// cached only if the config has a client, under the keys `copilot:conv:execution:{tenantId}:{conversationId}:{pathId}`.
pub type ExecutionContextStore = CachingStore<ExecutionContext>;

/// Creates the store of sandboxes from its config.
///
/// ```
/// use edgecask::store::StoreConfig;
/// use edgecask::systems::copilot::{
///     ExecutionContext, ExecutionId, SandboxStatus, create_execution_context_store,
/// };
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let contexts = create_execution_context_store(StoreConfig::new())?;
/// let id = ExecutionId::new("acme", "c1", "p1");
/// let (now, later) = ("2026-11-28T10:00:00.000Z", "2026-11-28T10:30:00.000Z");
/// let mut context = ExecutionContext::new(id.clone(), "s1", now, later);
/// context.sandbox_status = SandboxStatus::Ready;
/// contexts.set(&context).await?;
/// assert_eq!(contexts.get(&id).await?, Some(context));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the config asks for a time to live of zero.
pub fn create_execution_context_store(
    config: StoreConfig<ExecutionContext>,
) -> Result<ExecutionContextStore> {
    const EXECUTIONS: Keyspace = Keyspace::literal("copilot:conv:execution");
    CachingStore::new(config, EXECUTIONS, None)
}
