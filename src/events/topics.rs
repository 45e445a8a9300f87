use std::fmt;
use std::sync::Arc;

use super::broadcast::Broadcast;
use super::hub::Hub;
use super::options::EventsOptions;
use super::topic::Topic;
use crate::Key;
use crate::client::Client;

/// The event hub, which makes topics. Clones share its state; an application needs one hub.
///
/// The hub never uses a [`Fallback`](crate::layer::Fallback) of the client, because subscribers of one server miss the events of the other.
/// If Redis is unreachable, publishing fails, and subscriptions wait.
///
/// ```
/// use edgecask::events::{Events, Item, Start};
/// use edgecask::{Client, Keyspace};
/// use futures_util::StreamExt;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Message {
///     text: String,
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let events = Events::new(Client::memory());
/// let chat = events.topic::<Message>(Keyspace::literal("chat").key("c1")?);
/// let mut subscription = chat.subscribe(Start::Now).await?;
/// chat.publish(&Message { text: "hello".to_owned() }).await?;
/// match subscription.next().await.expect("it does not end")? {
///     Item::Event(event) => assert_eq!(event.data.text, "hello"),
///     Item::Gap(gap) => println!("reload: {gap:?}"),
///     _ => {}
/// }
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Events(Arc<Hub>);

impl Events {
    /// A hub with the default options.
    pub fn new(client: Client) -> Self {
        Self::with_options(client, EventsOptions::new())
    }

    /// A hub with these options.
    pub fn with_options(client: Client, options: EventsOptions) -> Self {
        Self(Arc::new(Hub::new(client, options)))
    }

    /// A hub over a broadcast service other than Redis, such as Supabase Realtime. It has no history, no positions and no presence. A lost
    /// connection is a gap. A subscription drops a repeated id if it is among the last 512 ids.
    pub fn over(broadcast: impl Broadcast, options: EventsOptions) -> Self {
        Self(Arc::new(Hub::over(Arc::new(broadcast), options)))
    }

    /// The topic of this key. Nothing is sent.
    pub fn topic<T>(&self, key: Key) -> Topic<T> {
        Topic::new(Arc::clone(&self.0), key)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Events");
        match self.0.broadcast() {
            Some(broadcast) => shown.field("broadcast", &broadcast),
            None => shown.field("client", &self.0.client().ok()),
        };
        shown.field("options", &self.0.options).finish()
    }
}
