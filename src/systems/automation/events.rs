//! Live events for the platform's services and browsers: a user's channels, inboxes, announcements.

use futures_util::stream::{self, BoxStream, StreamExt};
use serde::de::DeserializeOwned;

use super::keys::{announcements, subscriptions, workflow_notifications};
use super::notifications::notify;
use super::records::{Announcement, Notification, WorkflowNotification};
use crate::events::{Events, Item, Start, Topic};
use crate::{Client, Error, ErrorKind, Keyspace, Result};

const EVENTS: Keyspace = Keyspace::literal("events");

/// The most channels that a user can follow at once.
const MAX_CHANNELS: usize = 100;

/// The topic of a channel that `user:subscriptions:{userId}` names: `events:workflow:w-1` for `workflow:w-1`.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if a part of the channel is empty.
pub fn channel_topic<T>(events: &Events, channel: &str) -> Result<Topic<T>> {
    let parts: Vec<&str> = channel.split(':').collect();
    Ok(events.topic(EVENTS.key(parts)?))
}

/// The topic of a user's inbox: `events:inbox:{userId}`.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the user is empty.
pub fn inbox_topic(events: &Events, user_id: &str) -> Result<Topic<Notification>> {
    Ok(events.topic(EVENTS.key(("inbox", user_id))?))
}

/// The topic of announcements to all users: `events:system:announcements`.
///
/// # Errors
/// None in practice: the key is a constant.
pub fn announcements_topic(events: &Events) -> Result<Topic<Announcement>> {
    Ok(events.topic(EVENTS.key(("system", "announcements"))?))
}

/// Adds a notification to a user's inbox, as [`notify`] does, and publishes it to the subscribers of the inbox; returns the number
/// of unread notifications. One transaction and one command. If publishing fails, the inbox has the notification all the same.
///
/// ```
/// use edgecask::Client;
/// use edgecask::events::{Events, Start};
/// use edgecask::systems::automation::{self, Notification};
/// use futures_util::StreamExt;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let events = Events::new(client.clone());
/// let mut inbox = automation::inbox_topic(&events, "ada")?.subscribe(Start::Now).await?;
/// let done = Notification { id: "n-1".to_owned(), title: "Done".to_owned(), ..Default::default() };
/// assert_eq!(automation::deliver(&client, &events, "ada", &done).await?, 1);
/// let event = inbox.next().await.expect("it goes on")?.event().expect("nothing is missing");
/// assert_eq!((event.id.as_str(), event.data.title.as_str()), ("n-1", "Done"));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As for [`notify`]; those of the events.
pub async fn deliver(
    client: &Client,
    events: &Events,
    user_id: &str,
    notification: &Notification,
) -> Result<i64> {
    let topic = inbox_topic(events, user_id)?;
    let unread = notify(client, user_id, notification).await?;
    let publish = topic.publish(notification).name("notification");
    match &*notification.id {
        "" => publish.await?,
        id => publish.id(id).await?,
    };
    Ok(unread)
}

/// Adds an event to a workflow's notifications, and publishes it on the channel `workflow:{workflowId}`. One transaction and one
/// command.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the workflow is empty; those of the client.
pub async fn tell_workflow(
    client: &Client,
    events: &Events,
    workflow_id: &str,
    notification: &WorkflowNotification,
) -> Result<()> {
    let topic = events.topic(EVENTS.key(("workflow", workflow_id))?);
    workflow_notifications(workflow_id)?.push_front(client, [notification]).await?;
    topic.publish(notification).name("notification").await?;
    Ok(())
}

/// Adds an announcement to all users, and publishes it to the subscribers of all announcements and to those of the channel
/// `system:{type}`, such as `system:maintenance`. One transaction and two commands.
///
/// # Errors
/// Those of the client.
pub async fn announce(client: &Client, events: &Events, announcement: &Announcement) -> Result<()> {
    announcements()?.push_front(client, [announcement]).await?;
    announcements_topic(events)?.publish(announcement).name("announcement").await?;
    if !matches!(&*announcement.kind, "" | "announcements") {
        let of_kind = events.topic(EVENTS.key(("system", &*announcement.kind))?);
        of_kind.publish(announcement).name("announcement").await?;
    }
    Ok(())
}

/// The events on a user's channels from now on, each with the name of its channel. One SMEMBERS, and a subscription for each channel;
/// a channel that the user subscribes to later is not among them.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the user has more than 100 channels, or one whose name is not valid; those of the client.
pub async fn follow<T: DeserializeOwned + 'static>(
    client: &Client,
    events: &Events,
    user_id: &str,
) -> Result<BoxStream<'static, (String, Result<Item<T>>)>> {
    let channels = subscriptions(user_id)?.members(client).await?;
    if channels.len() > MAX_CHANNELS {
        let why = format!("a user follows {MAX_CHANNELS} channels at most");
        return Err(Error::new(ErrorKind::InvalidInput, why));
    }
    let mut all = Vec::with_capacity(channels.len());
    for channel in channels {
        let heard = channel_topic::<T>(events, &channel)?.subscribe(Start::Now).await?;
        all.push(heard.map(move |item| (channel.clone(), item)).boxed());
    }
    Ok(stream::select_all(all).boxed())
}
