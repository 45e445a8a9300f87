//! The council: several language models that answer together.
//!
//! Sessions, the configuration documents, the health of the providers and the status of requests, with the keys and fields
//! of its TypeScript service. Points in time are text in the form of JavaScript's `Date.toISOString()`.
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
    /// The user.
    pub user_id: String,
    /// The messages so far, in the application's own form.
    pub history: Vec<Value>,
    /// When the last message was sent.
    pub last_activity_at: String,
    /// How many tokens of the model's context window are used.
    pub context_window_used: u64,
}

/// The health of a provider of language models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProviderHealth {
    /// Whether requests are sent to the provider.
    pub status: HealthStatus,
    /// The share of its requests that succeed, from 0 to 1.
    pub success_rate: f64,
    /// Its average latency, in milliseconds.
    pub avg_latency: f64,
    /// When a request last failed.
    pub last_failure: Option<String>,
}

/// Whether requests are sent to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Requests are sent to it.
    Healthy,
    /// Requests are sent to it only if there is no healthy provider.
    Degraded,
    /// No requests are sent to it.
    Disabled,
}

/// The status of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestStatus {
    /// The current step, in the application's own words.
    pub status: String,
    /// The progress, from 0 to 100.
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
        /// The health of a provider.
        provider_health(provider_id: &str) => Hash<ProviderHealth>, "provider:health:{provider_id}", ttl: 300 seconds;
        /// The status of a request.
        request_status(request_id: &str) => Hash<RequestStatus>, "request:status:{request_id}", ttl: 1 hour;
    }
}
