use serde::{Deserialize, Serialize};

/// A post that is scheduled for later.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScheduledPost {
    /// The identifier of the post.
    pub post_id: String,
    /// The content to publish.
    pub content_id: String,
    /// The platform to publish on.
    pub platform: String,
    /// When it is to be published.
    pub scheduled_time: String,
}

/// A post in the publishing queue of a platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishJob {
    /// The identifier of the post.
    pub post_id: String,
    /// The content to publish.
    pub content_id: String,
    /// Its priority.
    pub priority: String,
}

/// A post whose publication failed and is retried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishRetry {
    /// The identifier of the post.
    pub post_id: String,
    /// The number of retries so far.
    pub retry_count: u32,
    /// The most retries.
    pub max_retries: u32,
    /// When it is retried next.
    pub next_retry: String,
}

/// Content that waits for approval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Approval {
    /// The content to approve.
    pub content_id: String,
    /// The user who submitted it.
    pub submitted_by: String,
    /// When it was submitted.
    pub submitted_at: String,
    /// Its priority.
    pub priority: String,
}

/// The publication status of a post.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublishStatus {
    /// The status, such as `published`.
    pub status: String,
    /// Its identifier on the platform.
    pub platform_post_id: Option<String>,
    /// When it was published.
    pub published_at: Option<String>,
    /// The URL of the post on the platform.
    pub platform_url: Option<String>,
}
