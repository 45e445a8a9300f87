use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::hub::Hub;
use super::item::Start;
use super::position::Position;
use super::presence::Presence;
use super::publish::Publish;
use super::shared::Shared;
use super::subscription::Subscription;
use crate::{Key, Result};

/// A stream of events of one type, by key: a channel, and a history under the same key. Clones are cheap.
///
/// | key | type | holds |
/// |---|---|---|
/// | the topic's | stream | the last events, each with the id of its [`Position`] and a field `event`; and the channel of this name |
/// | `edgecask:events:{key}` | string | the position of the last event, and its id |
/// | `edgecask:published:{id}:{key}` | string | the position of the event with this id |
///
/// The braces of the last two are in the names: they keep the keys in one slot of a cluster. All have a time to live; see [`EventsOptions`](super::EventsOptions).
pub struct Topic<T> {
    shared: Arc<Shared>,
    of: PhantomData<fn(T) -> T>,
}

impl<T> Topic<T> {
    pub(super) fn new(hub: Arc<Hub>, key: Key) -> Self {
        Self { shared: Arc::new(Shared::new(hub, key)), of: PhantomData }
    }

    /// The key of the topic.
    pub fn key(&self) -> &Key {
        &self.shared.store.key
    }

    /// The position of the last event, for [`Start::After`]. `None` if there was none. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn position(&self) -> Result<Option<Position>> {
        self.shared.store.head(&self.shared.hub).await
    }

    /// The presence of the topic: members join it and leave it. It is independent of the topic's events. No command.
    pub fn presence(&self) -> Presence {
        Presence::new(Arc::clone(&self.shared.hub), self.key())
    }

    /// Subscribes. The subscription receives all events that are published after this returns.
    ///
    /// Two commands, and with Pub/Sub a subscription for each topic and process. After a lost connection the subscription reconnects, and
    /// reads the missed events by one command for each page. It writes a key with a time to live of at least a day, also for a topic without
    /// events: check first that the caller may read the topic.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if there is neither Pub/Sub nor a history; those of the client.
    pub async fn subscribe(&self, start: Start) -> Result<Subscription<T>>
    where
        T: DeserializeOwned + 'static,
    {
        Subscription::start(Arc::clone(&self.shared), start).await
    }
}

impl<T: Serialize> Topic<T> {
    /// Publishes an event when it is awaited. One command adds it to the history and sends it to all subscribers, or does neither.
    ///
    /// ```
    /// use edgecask::events::Events;
    /// use edgecask::{Client, Keyspace};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let orders = Events::new(Client::memory()).topic::<u64>(Keyspace::literal("orders").key("acme")?);
    /// let published = orders.publish(&17).name("created").id("order-17").await?;
    /// assert_eq!(published.position.map(|position| position.offset), Some(1));
    /// // The answer was lost, and the caller publishes again: the same id makes it one event.
    /// assert!(orders.publish(&17).name("created").id("order-17").await?.repeated);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish(&self, data: &T) -> Publish {
        Publish::new(Arc::clone(&self.shared), data)
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), of: PhantomData }
    }
}

impl<T> fmt::Debug for Topic<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Topic").field(&self.key().as_str()).finish()
    }
}
