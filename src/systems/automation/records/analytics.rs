use serde::{Deserialize, Serialize};

/// How a campaign does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CampaignStats {
    /// How often it was seen.
    pub impressions: u64,
    /// How often it was clicked.
    pub clicks: u64,
    /// How often something was bought.
    pub conversions: u64,
    /// What it has cost.
    pub cost: f64,
    /// How many of those who saw it did something, in percent.
    pub engagement_rate: f64,
    /// When this was written.
    pub last_updated: String,
}

/// What a user's dashboard shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RealtimeMetrics {
    /// How many workflows run.
    pub active_workflows: u64,
    /// How many posts wait.
    pub pending_posts: u64,
    /// What the month has cost.
    pub monthly_cost: f64,
    /// How many workflows succeed, in percent.
    pub success_rate: f64,
}

/// How a platform does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlatformPerformance {
    /// How many of those who see a post do something, in percent.
    pub avg_engagement: f64,
    /// How many posts succeed, in percent.
    pub success_rate: f64,
    /// What a post costs.
    pub avg_cost_per_post: f64,
}
