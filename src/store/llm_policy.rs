use serde::{Deserialize, Serialize};

use super::{CachingStore, Extra, Record, StoreConfig};
use crate::{Keyspace, Result};

/// The policy for a tenant's requests to language models. In JSON the fields are in camelCase. Fields that are not listed
/// here are kept in `extra`.
///
/// ```
/// use edgecask::store::LlmPolicy;
///
/// let mut policy = LlmPolicy::new("acme");
/// policy.default_model = Some("gpt-4o".to_owned());
/// policy.max_output_tokens = Some(4096);
/// let json = serde_json::to_string(&policy)?;
/// assert_eq!(
///     json,
///     r#"{"tenantId":"acme","defaultModel":"gpt-4o","allowRemoteEgress":false,"maxOutputTokens":4096}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LlmPolicy {
    /// The tenant.
    pub tenant_id: String,
    /// The provider of requests that do not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_provider: Option<String>,
    /// The model of requests that do not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// The models that requests may use; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_models: Vec<String>,
    /// Whether data may be sent to a provider outside the tenant's region. Default: `false`.
    #[serde(default)]
    pub allow_remote_egress: bool,
    /// The longest answer, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// The monthly budget, in US cents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly_budget_cents: Option<u64>,
    /// Other fields.
    #[serde(flatten)]
    pub extra: Extra,
}

impl LlmPolicy {
    /// A tenant's policy with every default.
    pub fn new(tenant_id: impl Into<String>) -> Self {
        Self {
            tenant_id: tenant_id.into(),
            default_provider: None,
            default_model: None,
            allowed_models: Vec::new(),
            allow_remote_egress: false,
            max_output_tokens: None,
            monthly_budget_cents: None,
            extra: Extra::new(),
        }
    }
}

impl Record for LlmPolicy {
    type Id = String;

    fn id(&self) -> String {
        self.tenant_id.clone()
    }
}

/// The store of LLM policies: read on every request, written rarely. Cached under `copilot:llm:policy:{tenantId}`.
pub type LlmPolicyStore = CachingStore<LlmPolicy>;

/// Creates the store of LLM policies from its config. The absence of a policy is not cached.
///
/// ```
/// use edgecask::{Client, store::{LlmPolicy, StoreConfig, create_llm_policy_store}};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let policies = create_llm_policy_store(StoreConfig::new().client(Client::memory()))?;
/// policies.set(&LlmPolicy::new("acme")).await?;
///
/// let tenant = "acme".to_owned();
/// assert!(policies.get(&tenant).await?.is_some(), "loaded and cached");
/// assert!(policies.get(&tenant).await?.is_some(), "from the cache");
/// assert_eq!((policies.stats().misses, policies.stats().hits), (1, 1));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the config asks for a time to live of zero.
pub fn create_llm_policy_store(config: StoreConfig<LlmPolicy>) -> Result<LlmPolicyStore> {
    CachingStore::new(config, Keyspace::new(["copilot", "llm", "policy"])?, None)
}
