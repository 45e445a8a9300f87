use serde::{Deserialize, Serialize};

/// The health of a service. A service leaves out the figures that it does not have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServiceHealth {
    /// The status, such as `healthy`.
    pub status: String,
    /// When the service was last checked.
    pub last_check: String,
    /// Its response time, in milliseconds.
    pub response_time_ms: Option<f64>,
    /// The share of requests that fail, from 0 to 1.
    pub error_rate: Option<f64>,
    /// The length of its queue.
    pub queue_size: Option<u64>,
    /// The average time to process an item, in milliseconds.
    pub avg_processing_time_ms: Option<f64>,
}

/// The metrics of the whole system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SystemMetrics {
    /// The use of the processors, in percent.
    pub cpu_usage_percent: f64,
    /// The use of the memory, in percent.
    pub memory_usage_percent: f64,
    /// The number of open connections.
    pub active_connections: u64,
    /// The length of all queues.
    pub queue_depth: u64,
    /// The cache's hit rate, in percent.
    pub cache_hit_rate: f64,
}
