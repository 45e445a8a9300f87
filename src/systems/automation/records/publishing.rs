use serde::{Deserialize, Serialize};

/// A post that is published later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduledPost {
    /// Which one.
    pub post_id: String,
    /// What it shows.
    pub content_id: String,
    /// Where it is published.
    pub platform: String,
    /// When it is published.
    pub scheduled_time: String,
}

/// A post that is published now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishJob {
    /// Which one.
    pub post_id: String,
    /// What it shows.
    pub content_id: String,
    /// How soon.
    pub priority: String,
}

/// A post that failed to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishRetry {
    /// Which one.
    pub post_id: String,
    /// How often it was tried again.
    pub retry_count: u32,
    /// How often it may be tried again.
    pub max_retries: u32,
    /// When it is tried again.
    pub next_retry: String,
}

/// Content that waits for approval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Approval {
    /// Which one.
    pub content_id: String,
    /// Who handed it in.
    pub submitted_by: String,
    /// When.
    pub submitted_at: String,
    /// How soon it should be looked at.
    pub priority: String,
}

/// What became of a post.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishStatus {
    /// Whether it is published.
    pub status: String,
    /// Its identifier on the platform.
    pub platform_post_id: Option<String>,
    /// When it was published.
    pub published_at: Option<String>,
    /// Where it stands.
    pub platform_url: Option<String>,
}
