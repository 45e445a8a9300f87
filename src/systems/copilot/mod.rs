//! The copilot: stores of tenants' policies and conversations, cached by its services' conventions.
//!
//! Keys are `copilot:{domain}:{entity}:{identifier}`. Each component has one trait (a [`Store`](crate::store::Store)), a
//! [`MemoryStore`](crate::store::MemoryStore) for tests, one caching decorator, and one factory that combines them:
//!
//! | component | factory | key | cached |
//! |---|---|---|---|
//! | [`LlmPolicyStore`] | [`create_llm_policy_store`] | `copilot:llm:policy:{tenantId}` | 300 s |
//! | [`ConversationConfigStore`] | [`create_conversation_config_store`] | `copilot:conv:config:{tenantId}:{userId?}` | 300 s |
//! | [`AuthValidationCache`] | [`create_auth_validation_cache`] | `copilot:auth:validation:{userId}` | 300 s |
//! | [`ConversationStore`] | [`create_conversation_store`] | `copilot:conv:conversation:{conversationId}` | 300 s |
//! | [`ConversationContextStore`] | [`create_conversation_context_store`] | `copilot:conv:context:{tenantId}:{conversationId}` | by choice |
//! | [`ConversationPathStore`] | [`create_conversation_path_store`] | `copilot:conv:path:{tenantId}:{pathId}` | by choice |
//! | [`ExecutionContextStore`] | [`create_execution_context_store`] | `copilot:conv:execution:{tenantId}:{conversationId}:{pathId}` | by choice |
//!
//! A factory caches in the [`client`](crate::store::StoreConfig::client) that its config has. Contexts and paths are
//! written about as often as they are read, and execution contexts live for minutes, so they are best left uncached: give
//! their configs no client.
//!
//! When Redis is away, each of them asks its backing store and logs a warning ([`Tier::Important`](crate::cache::Tier)).
//! Rate limits, such as [`telemetry_limiter`], let callers through instead
//! ([`OnFailure::Allow`]), and a hub of events fails
//! ([`Tier::Critical`](crate::cache::Tier)).
//!
//! Entries that older versions wrote under other prefixes are moved by [`migrations`].
//!
//! ```
//! use edgecask::Client;
//! use edgecask::store::StoreConfig;
//! use edgecask::systems::copilot::{LlmPolicy, Ttls, create_llm_policy_store};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let ttls = Ttls::from_variables(|name| std::env::var(name).ok())?;
//! let config = StoreConfig::new().client(Client::memory()).ttl(ttls.policy);
//! let policies = create_llm_policy_store(config)?;
//! policies.set(&LlmPolicy::new("acme")).await?;
//! assert!(policies.get(&"acme".to_owned()).await?.is_some());
//! assert!(policies.health().await.healthy);
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod context;
mod conversation;
mod execution;
mod path;

use std::time::Duration;

pub use self::context::{
    ContextId, ConversationContext, ConversationContextStore, create_conversation_context_store,
};
pub use self::conversation::{
    Conversation, ConversationStore, MemoryConversations, Message, MessageId,
    create_conversation_store,
};
pub use self::execution::{
    ExecutionContext, ExecutionContextStore, ExecutionId, SandboxStatus,
    create_execution_context_store,
};
pub use self::path::{
    ConversationPath, ConversationPathStore, PathId, create_conversation_path_store,
};
use crate::cache::Ttl;
use crate::command::pubsub::PubSubCommands;
use crate::events::{Events, Topic};
use crate::limit::{OnFailure, Policy, RateLimiter, RateLimiterBuilder};
use crate::migrate::RenamePrefix;
pub use crate::store::{
    AuthBackend, AuthValidationCache, AuthValidationConfig, ConversationConfig,
    ConversationConfigStore, ConversationScope, LlmPolicy, LlmPolicyStore, MemoryAuthBackend,
    Validation, create_auth_validation_cache, create_conversation_config_store,
    create_llm_policy_store,
};
use crate::{Client, Key, Keyspace, Result};

/// The components' times to live, read from variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ttls {
    /// Answers to credential checks: `CACHE_TTL_AUTH_SECONDS`.
    pub auth: Ttl,
    /// LLM policies: `CACHE_TTL_POLICY_SECONDS`.
    pub policy: Ttl,
    /// Conversation settings: `CACHE_TTL_CONFIG_SECONDS`.
    pub config: Ttl,
    /// Data of a session: `CACHE_TTL_SESSION_SECONDS`.
    pub session: Ttl,
}

impl Ttls {
    /// The values of these variables, or the defaults: 300 seconds, and 3600 for sessions. `lookup` reads a variable, such
    /// as `std::env::var` or a Worker's bindings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a variable is not a whole number of seconds above 0.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let ttl = |name, seconds| Ttl::from_variables(name, Ttl::seconds(seconds), &lookup);
        Ok(Self {
            auth: ttl("AUTH", 300)?,
            policy: ttl("POLICY", 300)?,
            config: ttl("CONFIG", 300)?,
            session: ttl("SESSION", 3600)?,
        })
    }
}

/// The channel on which the events of a conversation are published: `copilot:events:conversation:{tenantId}:{convId}`.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if a part is empty.
pub fn conversation_events(tenant_id: &str, conversation_id: &str) -> Result<Key> {
    const EVENTS: Keyspace = Keyspace::literal("copilot:events:conversation");
    EVENTS.key((tenant_id, conversation_id))
}

/// The topic of a conversation's events, in a hub from [`event_hub`](crate::config::event_hub). Its channel is
/// [`conversation_events`], and so is the key of its history.
///
/// ```
/// use edgecask::Client;
/// use edgecask::events::Events;
/// use edgecask::systems::copilot::conversation_topic;
///
/// let topic = conversation_topic::<String>(&Events::new(Client::memory()), "acme", "c1")?;
/// assert_eq!(topic.key().as_str(), "copilot:events:conversation:acme:c1");
/// # Ok::<(), edgecask::Error>(())
/// ```
///
/// # Errors
/// As for [`conversation_events`].
pub fn conversation_topic<T>(
    events: &Events,
    tenant_id: &str,
    conversation_id: &str,
) -> Result<Topic<T>> {
    Ok(events.topic(conversation_events(tenant_id, conversation_id)?))
}

/// Announces on a channel, such as `cache:invalidate`, that a tenant's policy has changed, with the message that the
/// services in TypeScript send and listen for: `{"type":"policy","tenantId":"acme"}`. Returns the number of receivers. One
/// PUBLISH.
///
/// Call it after [`LlmPolicyStore`]'s `set` if those services keep policies in their own memory. A store with
/// [`OnWrite::Publish`](crate::store::OnWrite::Publish) sends a message with keys instead, which only programs with this
/// crate read. Such a store also accepts this message, and then empties its own memory.
///
/// ```
/// use edgecask::Client;
/// use edgecask::systems::copilot::announce_policy;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// assert_eq!(announce_policy(&client, "cache:invalidate", "acme").await?, 0, "nobody listens");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of the client.
pub async fn announce_policy(client: &Client, channel: &str, tenant_id: &str) -> Result<u64> {
    let tenant_id = serde_json::Value::from(tenant_id);
    let message = format!(r#"{{"type":"policy","tenantId":{tenant_id}}}"#);
    client.publish(channel, message).await
}

/// Limits reports of telemetry by the client's address: to `limit` in each sliding `window`. Its keys are
/// `copilot:ratelimit:telemetry:{clientIp}:{window}`, which `@upstash/ratelimit` shares. When Redis is away, reports are
/// admitted, and a warning is logged. One EVALSHA a report.
///
/// ```
/// use edgecask::Client;
/// use edgecask::systems::copilot::telemetry_limiter;
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// // In production, the client of `Config::for_component("RATE_LIMIT", …)`.
/// let limiter = telemetry_limiter(Client::memory(), 100, Duration::from_secs(60)).build()?;
/// assert!(limiter.limit("203.0.113.7").await?.is_allowed());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn telemetry_limiter(client: Client, limit: u64, window: Duration) -> RateLimiterBuilder {
    RateLimiter::builder(client)
        .prefix("copilot:ratelimit:telemetry")
        .policy(Policy::sliding_window(limit, window).named("telemetry"))
        .on_failure(OnFailure::Allow)
}

/// The prefixes of older versions, and those that replaced them.
const PREFIXES: [(&str, &str); 2] = [
    ("auth:validation:", "copilot:auth:validation:"),
    ("ratelimit:client-telemetry:", "copilot:ratelimit:telemetry:"),
];

/// Moves the entries of older versions to today's prefixes: `auth:validation:` to `copilot:auth:validation:`, and
/// `ratelimit:client-telemetry:` to `copilot:ratelimit:telemetry:`. See [`RenamePrefix`] for what it promises.
///
/// Run them when every program writes the new prefixes. The rest of each key stays as it is.
///
/// ```
/// use edgecask::prelude::*;
/// use edgecask::systems::copilot;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.set("auth:validation:ada", "{}").await?;
/// for migration in copilot::migrations() {
///     let planned = migration.clone().dry_run(true).run(&client).await?;
///     let done = migration.run(&client).await?;
///     assert_eq!(planned.moved, done.moved);
/// }
/// assert!(client.exists(["copilot:auth:validation:ada"]).await? == 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn migrations() -> [RenamePrefix; 2] {
    PREFIXES.map(|(from, to)| RenamePrefix::literal(from, to))
}

crate::keyspaces! {
    /// The keyspaces of the copilot, for the reference and for programs that read them without a store.
    pub mod keys, owner: "copilot" {
        /// The policy for a tenant's requests to language models.
        policy(tenant_id: &str) => Json<LlmPolicy>, "copilot:llm:policy:{tenant_id}", ttl: 300 seconds;
        /// The settings of a tenant's conversations; `null` if there are none.
        tenant_config(tenant_id: &str) => Json<Option<ConversationConfig>>, "copilot:conv:config:{tenant_id}", ttl: 300 seconds;
        /// A user's settings, which override the tenant's; `null` if there are none.
        user_config(tenant_id: &str, user_id: &str) => Json<Option<ConversationConfig>>, "copilot:conv:config:{tenant_id}:{user_id}", ttl: 300 seconds;
        /// The answers to checks of a user's credentials.
        auth_validation(user_id: &str) => Json<serde_json::Value>, "copilot:auth:validation:{user_id}", ttl: 300 seconds;
        /// A conversation, without its messages.
        conversation(conversation_id: &str) => Json<Conversation>, "copilot:conv:conversation:{conversation_id}", ttl: 300 seconds;
        /// The current context of a conversation.
        context(tenant_id: &str, conversation_id: &str) => Json<ConversationContext>, "copilot:conv:context:{tenant_id}:{conversation_id}", ttl: 300 seconds;
        /// A branch of a conversation.
        path(tenant_id: &str, path_id: &str) => Json<ConversationPath>, "copilot:conv:path:{tenant_id}:{path_id}", ttl: 300 seconds;
        /// The sandbox in which a branch of a conversation runs code.
        execution(tenant_id: &str, conversation_id: &str, path_id: &str) => Json<ExecutionContext>, "copilot:conv:execution:{tenant_id}:{conversation_id}:{path_id}", ttl: 300 seconds;
        /// How many reports of telemetry a client has sent. The limiter's window is its time to live, at most an hour.
        telemetry(client_ip: &str) => Counter<i64>, "copilot:ratelimit:telemetry:{client_ip}", ttl: 1 hour from creation;
        /// The same in one window of a limiter that counts by windows, like `@upstash/ratelimit`.
        telemetry_in_window(client_ip: &str, window: u64) => Counter<i64>, "copilot:ratelimit:telemetry:{client_ip}:{window}", ttl: 1 hour from creation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_live_come_from_variables() {
        let ttls = |name: &'static str, value: &'static str| {
            Ttls::from_variables(move |asked| (asked == name).then(|| value.to_owned()))
        };
        let defaults = ttls("", "").ok();
        assert_eq!(defaults.map(|ttls| ttls.policy), Some(Ttl::seconds(300)));
        assert_eq!(defaults.map(|ttls| ttls.session), Some(Ttl::seconds(3600)));
        let set = ttls("CACHE_TTL_AUTH_SECONDS", "60").ok();
        assert_eq!(
            set.map(|ttls| (ttls.auth, ttls.config)),
            Some((Ttl::seconds(60), Ttl::seconds(300)))
        );
        for name in ["AUTH", "POLICY", "CONFIG"] {
            let variable = format!("CACHE_TTL_{name}_SECONDS");
            let wrong = |asked: &str| (asked == variable).then(|| "5m".to_owned());
            let error = Ttls::from_variables(wrong).map_err(|error| error.to_string());
            assert!(error.is_err_and(|text| text.contains(&format!("{variable} must be"))));
        }
    }

    #[test]
    fn channels_have_the_names_of_the_event_hub() -> Result<()> {
        let channel = conversation_events("acme", "c1")?;
        assert_eq!(channel.as_str(), "copilot:events:conversation:acme:c1");
        Ok(())
    }
}
