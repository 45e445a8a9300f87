use serde::{Deserialize, Serialize};

use super::keys::{notifications, unread};
use crate::{Client, Result};

/// What a user is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Puts a notification into a user's inbox; gives how many the user has not read. One transaction.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the user is empty or `system`; those of the client.
pub async fn notify(client: &Client, user_id: &str, notification: &Notification) -> Result<i64> {
    let transaction = client.transaction();
    let _ = notifications(user_id)?.push_front_in(&transaction, [notification])?;
    let unread = unread(user_id)?.increment_in(&transaction, 1);
    transaction.exec().await?.take(unread)
}

/// Says that a user has read everything; tells whether something was unread. One DEL.
///
/// # Errors
/// As for [`notify`].
pub async fn mark_read(client: &Client, user_id: &str) -> Result<bool> {
    unread(user_id)?.delete(client).await
}
