use serde::{Deserialize, Serialize};

/// A response of a language model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LlmResponse {
    /// The model.
    pub model: String,
    /// The text of the response.
    pub response: String,
    /// The number of tokens.
    pub tokens_used: u64,
    /// The cost of the request.
    pub cost: f64,
}

/// The settings of the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SystemConfig {
    /// The most workflows that run at the same time.
    pub max_concurrent_workflows: u64,
    /// The default timeout, in seconds.
    pub default_timeout_seconds: u64,
    /// Whether the system is in maintenance mode.
    pub maintenance_mode: bool,
}
