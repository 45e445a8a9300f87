use serde::{Deserialize, Serialize};

/// The status of a federated client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientStatus {
    /// Its health, such as `healthy`.
    pub health: String,
    /// When it last sent a ping.
    pub last_ping: String,
    /// The number of open connections.
    pub active_connections: u64,
    /// Its response time, in milliseconds.
    pub response_time_ms: f64,
    /// The share of its requests that succeed, in percent.
    pub success_rate: f64,
}

/// The capabilities of an MCP server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct McpCapabilities {
    /// The names of its tools.
    pub tools: Vec<String>,
    /// The cost of a request.
    pub cost_per_request: f64,
    /// Its average response time, in milliseconds.
    pub avg_response_time_ms: f64,
}

/// A request to a federated client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientRequest {
    /// The identifier of the request.
    pub request_id: String,
    /// The workflow that sent it.
    pub workflow_id: String,
    /// The type of the request.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its priority.
    pub priority: String,
}

/// The best provider for a type of task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProviderSelection {
    /// The provider.
    pub best_provider: String,
    /// The score for its cost, from 0 to 10.
    pub cost_score: f64,
    /// The score for its performance, from 0 to 10.
    pub performance_score: f64,
    /// The score for its availability, from 0 to 10.
    pub availability_score: f64,
}
