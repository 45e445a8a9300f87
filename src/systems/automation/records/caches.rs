use serde::{Deserialize, Serialize};

/// An answer of a language model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LlmResponse {
    /// The model that gave it.
    pub model: String,
    /// The answer.
    pub response: String,
    /// How many tokens it took.
    pub tokens_used: u64,
    /// What it has cost.
    pub cost: f64,
}

/// The settings of the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SystemConfig {
    /// How many workflows may run at once.
    pub max_concurrent_workflows: u64,
    /// How long something may take, in seconds.
    pub default_timeout_seconds: u64,
    /// Whether the system is being repaired.
    pub maintenance_mode: bool,
}
