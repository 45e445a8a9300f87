use serde::{Deserialize, Serialize};

use super::{CachingStore, Extra, Record, RecordId, StoreConfig};
use crate::cache::{CacheStats, Health, Ttl};
use crate::{Key, Keyspace, Result};

/// The scope of settings: a tenant's default, or one user's override of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConversationScope {
    /// The tenant.
    pub tenant_id: String,
    /// The user, or `None` for the tenant's default.
    pub user_id: Option<String>,
}

impl ConversationScope {
    /// A tenant's default.
    pub fn tenant(tenant_id: impl Into<String>) -> Self {
        Self { tenant_id: tenant_id.into(), user_id: None }
    }

    /// A user's override.
    pub fn user(tenant_id: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self { tenant_id: tenant_id.into(), user_id: Some(user_id.into()) }
    }
}

impl RecordId for ConversationScope {
    fn parts(&self) -> Vec<&str> {
        std::iter::once(&*self.tenant_id).chain(self.user_id.as_deref()).collect()
    }
}

/// The settings of a tenant's or a user's conversations. `None` means that a setting is not set in this scope. In JSON the
/// fields are in camelCase. Fields that are not listed here are kept in `extra`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConversationConfig {
    /// The tenant.
    pub tenant_id: String,
    /// The user, or `None` for the tenant's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's temperature, usually from 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The system prompt of every conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The size of the model's context window, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context_tokens: Option<u32>,
    /// How long conversations are kept, in days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl ConversationConfig {
    /// The settings of this scope, with none of them set.
    pub fn new(scope: ConversationScope) -> Self {
        Self {
            tenant_id: scope.tenant_id,
            user_id: scope.user_id,
            model: None,
            temperature: None,
            system_prompt: None,
            max_context_tokens: None,
            retention_days: None,
            extra: Extra::new(),
        }
    }

    /// These settings, completed with those of `default`.
    ///
    /// ```
    /// use edgecask::store::{ConversationConfig, ConversationScope};
    ///
    /// let mut default = ConversationConfig::new(ConversationScope::tenant("acme"));
    /// default.model = Some("gpt-4o".to_owned());
    /// default.temperature = Some(0.7);
    /// let mut own = ConversationConfig::new(ConversationScope::user("acme", "ada"));
    /// own.temperature = Some(0.1);
    ///
    /// let effective = own.or(default);
    /// assert_eq!(effective.model.as_deref(), Some("gpt-4o"));
    /// assert_eq!(effective.temperature, Some(0.1));
    /// ```
    #[must_use]
    pub fn or(self, default: Self) -> Self {
        let mut extra = default.extra;
        extra.extend(self.extra);
        Self {
            tenant_id: self.tenant_id,
            user_id: self.user_id,
            model: self.model.or(default.model),
            temperature: self.temperature.or(default.temperature),
            system_prompt: self.system_prompt.or(default.system_prompt),
            max_context_tokens: self.max_context_tokens.or(default.max_context_tokens),
            retention_days: self.retention_days.or(default.retention_days),
            extra,
        }
    }
}

impl Record for ConversationConfig {
    type Id = ConversationScope;

    fn id(&self) -> ConversationScope {
        ConversationScope { tenant_id: self.tenant_id.clone(), user_id: self.user_id.clone() }
    }
}

/// The store of conversation settings: a tenant's default and its users' overrides, each cached on its own under
/// `copilot:conv:config:{tenantId}` and `copilot:conv:config:{tenantId}:{userId}`.
///
/// A read combines the user's override with the tenant's default. So a write to the default takes effect at once for every
/// user, and each write invalidates exactly one key. The absence of an override is cached too, as `null`.
#[derive(Debug, Clone)]
pub struct ConversationConfigStore(CachingStore<ConversationConfig>);

impl ConversationConfigStore {
    /// The effective settings of a user: the override, completed with the tenant's default. `None` if there is neither. One
    /// MGET if both are cached.
    ///
    /// # Errors
    /// The backing store's; the cache's in the tier [`Tier::Critical`](crate::cache::Tier::Critical).
    pub async fn effective(
        &self,
        tenant_id: &str,
        user_id: &str,
    ) -> Result<Option<ConversationConfig>> {
        let scopes =
            [ConversationScope::user(tenant_id, user_id), ConversationScope::tenant(tenant_id)];
        let mut found = self.0.get_many(&scopes).await?.into_iter();
        let (own, default) = (found.next().flatten(), found.next().flatten());
        Ok(match (own, default) {
            (Some(own), Some(default)) => Some(own.or(default)),
            (own, default) => own.or(default),
        })
    }

    /// The settings of exactly this scope.
    ///
    /// # Errors
    /// As for [`ConversationConfigStore::effective`].
    pub async fn get(&self, scope: &ConversationScope) -> Result<Option<ConversationConfig>> {
        self.0.get(scope).await
    }

    /// Writes the settings of a scope to the backing store, then deletes the cached ones.
    ///
    /// # Errors
    /// As for [`CachingStore::set`].
    pub async fn set(&self, config: &ConversationConfig) -> Result<()> {
        self.0.set(config).await
    }

    /// Deletes the settings of a scope from the backing store, then the cached ones; returns whether there were any.
    ///
    /// # Errors
    /// As for [`CachingStore::delete`].
    pub async fn delete(&self, scope: &ConversationScope) -> Result<bool> {
        self.0.delete(scope).await
    }

    /// Deletes the cached settings of a scope. Call it after a write that bypassed this store.
    ///
    /// # Errors
    /// As for [`CachingStore::invalidate`].
    pub async fn invalidate(&self, scope: &ConversationScope) -> Result<()> {
        self.0.invalidate(scope).await
    }

    /// The key that a scope is cached under.
    ///
    /// # Errors
    /// As for [`CachingStore::key`].
    pub fn key(&self, scope: &ConversationScope) -> Result<Key> {
        self.0.key(scope)
    }

    /// Listens to the writes of other processes; see [`CachingStore::follow_invalidations`].
    ///
    /// # Errors
    /// As for [`CachingStore::follow_invalidations`].
    pub async fn follow_invalidations(&self) -> Result<()> {
        self.0.follow_invalidations().await
    }

    /// How many invalidations the cache still owes to Redis; see [`Cache::owed`](crate::cache::Cache::owed).
    pub fn owed(&self) -> u64 {
        self.0.owed()
    }

    /// Carries out the owed invalidations; returns whether nothing is left.
    pub async fn catch_up(&self) -> bool {
        self.0.catch_up().await
    }

    /// Checks whether the cache answers. It does not fail: it reports errors.
    pub async fn health(&self) -> Health {
        self.0.health().await
    }

    /// The statistics of this store's cache.
    pub fn stats(&self) -> CacheStats {
        self.0.stats()
    }
}

/// Creates the store of conversation settings from its config. By default the absence of settings is cached for 60 s.
///
/// ```
/// use edgecask::Client;
/// use edgecask::store::{
///     ConversationConfig, ConversationScope, StoreConfig, create_conversation_config_store,
/// };
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let configs = create_conversation_config_store(StoreConfig::new().client(Client::memory()))?;
/// let mut default = ConversationConfig::new(ConversationScope::tenant("acme"));
/// default.model = Some("gpt-4o".to_owned());
/// configs.set(&default).await?;
///
/// let effective = configs.effective("acme", "ada").await?.expect("there is a default");
/// assert_eq!(effective.model.as_deref(), Some("gpt-4o"));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the config asks for a time to live of zero.
pub fn create_conversation_config_store(
    config: StoreConfig<ConversationConfig>,
) -> Result<ConversationConfigStore> {
    let keyspace = Keyspace::new(["copilot", "conv", "config"])?;
    CachingStore::new(config, keyspace, Some(Ttl::seconds(60))).map(ConversationConfigStore)
}
