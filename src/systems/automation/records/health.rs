use serde::{Deserialize, Serialize};

/// How a service does. Each service gives the figures that it has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceHealth {
    /// Whether it is well.
    pub status: String,
    /// When it was last looked at.
    pub last_check: String,
    /// How long it takes to answer, in milliseconds.
    pub response_time_ms: Option<f64>,
    /// How many requests fail, from 0 to 1.
    pub error_rate: Option<f64>,
    /// How much waits for it.
    pub queue_size: Option<u64>,
    /// How long it works on something, in milliseconds.
    pub avg_processing_time_ms: Option<f64>,
}

/// How the system does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SystemMetrics {
    /// The use of its processors, in percent.
    pub cpu_usage_percent: f64,
    /// The use of its memory, in percent.
    pub memory_usage_percent: f64,
    /// How many connections are open.
    pub active_connections: u64,
    /// How much waits.
    pub queue_depth: u64,
    /// How many lookups find something, in percent.
    pub cache_hit_rate: f64,
}
