use serde::{Deserialize, Serialize};

/// A notification to a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notification {
    /// The identifier of the notification.
    pub id: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The title.
    pub title: String,
    /// The text.
    pub message: String,
    /// Its priority.
    pub priority: String,
    /// The workflow that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// When the event happened.
    pub timestamp: String,
}

/// A notification to all users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Announcement {
    /// The type of the announcement.
    #[serde(rename = "type")]
    pub kind: String,
    /// The title.
    pub title: String,
    /// The text.
    pub message: String,
    /// Its priority.
    pub priority: String,
    /// When the announced event begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<String>,
}
