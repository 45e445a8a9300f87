use serde::{Deserialize, Serialize};

/// The statistics of a campaign.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CampaignStats {
    /// The number of impressions.
    pub impressions: u64,
    /// The number of clicks.
    pub clicks: u64,
    /// The number of conversions.
    pub conversions: u64,
    /// The cost so far.
    pub cost: f64,
    /// The share of viewers who engaged, in percent.
    pub engagement_rate: f64,
    /// When the statistics were written.
    pub last_updated: String,
}

/// The figures on a user's dashboard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RealtimeMetrics {
    /// The number of running workflows.
    pub active_workflows: u64,
    /// The number of pending posts.
    pub pending_posts: u64,
    /// The cost of the current month.
    pub monthly_cost: f64,
    /// The share of workflows that succeed, in percent.
    pub success_rate: f64,
}

/// The performance of posts on a platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlatformPerformance {
    /// The average share of viewers who engage, in percent.
    pub avg_engagement: f64,
    /// The share of posts that succeed, in percent.
    pub success_rate: f64,
    /// The average cost of a post.
    pub avg_cost_per_post: f64,
}
