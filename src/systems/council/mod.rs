//! The council: language models that answer together.
//!
//! Sessions, the configuration documents, the health of the providers and the status of requests, under the keys and in the
//! fields of its TypeScript service. Points in time are text in the form of JavaScript's `Date.toISOString()`.
//!
//! ```
//! use edgecask::Client;
//! use edgecask::systems::council::{self, HealthStatus, ProviderHealth};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let client = Client::memory();
//! let health = council::provider_health("openai")?;
//! let healthy = ProviderHealth {
//!     status: HealthStatus::Healthy,
//!     success_rate: 0.99,
//!     avg_latency: 250.0,
//!     last_failure: None,
//! };
//! health.set(&client, &healthy).await?;
//! assert_eq!(health.get(&client).await?, Some(healthy));
//!
//! let status = council::request_status("r-1")?;
//! status.set_field(&client, "status", "running").await?;
//! status.set_field(&client, "progress", &40).await?;
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A user's conversation with the council.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Whose it is.
    pub user_id: String,
    /// What was said; each entry is the application's own.
    pub history: Vec<Value>,
    /// When something was last said.
    pub last_activity_at: String,
    /// How many tokens of the model's context it takes.
    pub context_window_used: u64,
}

/// How a provider of language models does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderHealth {
    /// Whether requests go there.
    pub status: HealthStatus,
    /// The part of its requests that succeeded, from 0 to 1.
    pub success_rate: f64,
    /// How long it takes to answer, in milliseconds.
    pub avg_latency: f64,
    /// When a request last failed.
    pub last_failure: Option<String>,
}

/// Whether requests go to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// They do.
    Healthy,
    /// They do, if there is no other.
    Degraded,
    /// They do not.
    Disabled,
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestStatus {
    /// What is done at the moment, in the application's own words.
    pub status: String,
    /// How much is done, from 0 to 100.
    pub progress: f64,
}

pub use keys::*;

crate::keyspaces! {
    /// The keyspaces of the council.
    mod keys, owner: "council" {
        /// A user's conversation.
        session(session_id: &str) => Hash<Session>, "session:{session_id}", ttl: 30 days renewed on activity;
        /// The configuration of the council, in the application's own form. Delete it when the configuration is updated.
        council_config() => Json<Value>, "config:council", forever;
        /// The configuration of deliberations. Delete it when the configuration is updated.
        deliberation_config() => Json<Value>, "config:deliberation", forever;
        /// The configuration of syntheses. Delete it when the configuration is updated.
        synthesis_config() => Json<Value>, "config:synthesis", forever;
        /// The configuration of performance. Delete it when the configuration is updated.
        performance_config() => Json<Value>, "config:performance", forever;
        /// How a provider does.
        provider_health(provider_id: &str) => Hash<ProviderHealth>, "provider:health:{provider_id}", ttl: 300 seconds;
        /// How far a request has come.
        request_status(request_id: &str) => Hash<RequestStatus>, "request:status:{request_id}", ttl: 1 hour;
    }
}
