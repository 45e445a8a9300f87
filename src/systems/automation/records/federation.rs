use serde::{Deserialize, Serialize};

/// How a federated client does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientStatus {
    /// Whether it is well.
    pub health: String,
    /// When it was last heard of.
    pub last_ping: String,
    /// How many connections it has.
    pub active_connections: u64,
    /// How long it takes to answer, in milliseconds.
    pub response_time_ms: f64,
    /// How many of its requests succeed, in percent.
    pub success_rate: f64,
}

/// What an MCP server can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct McpCapabilities {
    /// Its tools.
    pub tools: Vec<String>,
    /// What a request costs.
    pub cost_per_request: f64,
    /// How long it takes to answer, in milliseconds.
    pub avg_response_time_ms: f64,
}

/// What a federated client is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientRequest {
    /// Which request.
    pub request_id: String,
    /// The workflow that asks.
    pub workflow_id: String,
    /// What it asks for.
    #[serde(rename = "type")]
    pub kind: String,
    /// How soon.
    pub priority: String,
}

/// Which provider is best for a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderSelection {
    /// The best one.
    pub best_provider: String,
    /// How cheap it is, from 0 to 10.
    pub cost_score: f64,
    /// How well it does, from 0 to 10.
    pub performance_score: f64,
    /// How often it is there, from 0 to 10.
    pub availability_score: f64,
}
