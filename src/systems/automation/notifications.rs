use super::keys::{notifications, unread};
use super::records::Notification;
use crate::{Client, Result};

/// Adds a notification to a user's inbox; returns the number of unread ones. One transaction.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the user is empty or `system`; those of the client.
pub async fn notify(client: &Client, user_id: &str, notification: &Notification) -> Result<i64> {
    let transaction = client.transaction();
    let _ = notifications(user_id)?.push_front_in(&transaction, [notification])?;
    let unread = unread(user_id)?.increment_in(&transaction, 1);
    transaction.exec().await?.take(unread)
}

/// Marks all of a user's notifications as read; returns whether any was unread. One DEL.
///
/// # Errors
/// As for [`notify`].
pub async fn mark_read(client: &Client, user_id: &str) -> Result<bool> {
    unread(user_id)?.delete(client).await
}
