use serde::{Deserialize, Serialize};

/// What a user is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notification {
    /// Which one.
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its first line.
    pub title: String,
    /// Its text.
    pub message: String,
    /// How soon it should be read.
    pub priority: String,
    /// The workflow that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// When it happened.
    pub timestamp: String,
}

/// What all users are told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Announcement {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its first line.
    pub title: String,
    /// Its text.
    pub message: String,
    /// How soon it should be read.
    pub priority: String,
    /// When what it tells of begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduled_for: Option<String>,
}
