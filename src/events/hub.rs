use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::stream::StreamExt;

use super::broadcast::Broadcast;
use super::feed::{Check, Feed};
use super::inbox::Inbox;
use super::options::EventsOptions;
use super::source::{Poll, Shared, Source};
use crate::client::Client;
use crate::layer::WithoutFallback;
use crate::platform::{self, boxed};
use crate::{Error, ErrorKind, Result};

/// What the topics of a hub share.
pub(super) struct Hub {
    to: To,
    pub(super) options: EventsOptions,
    feeds: Mutex<HashMap<String, Weak<Feed>>>,
}

/// Where events go.
enum To {
    Redis(Client),
    Broadcast(Arc<dyn Broadcast>),
}

impl Hub {
    pub(super) fn new(client: Client, options: EventsOptions) -> Self {
        let to = To::Redis(client.layer(WithoutFallback));
        Self { to, options, feeds: Mutex::default() }
    }

    pub(super) fn over(broadcast: Arc<dyn Broadcast>, options: EventsOptions) -> Self {
        Self { to: To::Broadcast(broadcast), options: options.keep(0), feeds: Mutex::default() }
    }

    /// The client of Redis.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where events do not go to Redis.
    pub(super) fn client(&self) -> Result<&Client> {
        match &self.to {
            To::Redis(client) => Ok(client),
            To::Broadcast(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "these events go over a broadcast, which has no positions and no presence: use Redis",
            )),
        }
    }

    /// What events go to instead of Redis.
    pub(super) fn broadcast(&self) -> Option<&dyn Broadcast> {
        match &self.to {
            To::Redis(_) => None,
            To::Broadcast(broadcast) => Some(&**broadcast),
        }
    }

    /// Whether subscribers listen, and do not poll.
    pub(super) fn is_live(&self) -> bool {
        match &self.to {
            To::Redis(client) => self.options.live && client.capabilities().subscriptions,
            To::Broadcast(_) => true,
        }
    }

    /// What tells of new events on a channel.
    pub(super) async fn source(&self, channel: &str, check: Option<Check>) -> Result<Source> {
        if !self.is_live() && !self.options.has_history() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this transport has no subscriptions, and these events no history: nothing would arrive",
            ));
        }
        self.open(channel, check).await
    }

    /// The same for what can be asked for.
    pub(super) async fn presence_source(&self, channel: &str) -> Result<Source> {
        self.open(channel, None).await
    }

    async fn open(&self, channel: &str, check: Option<Check>) -> Result<Source> {
        if !self.is_live() {
            return Ok(Source::Poll(Poll::new(self.options.poll)));
        }
        let name = channel.to_owned();
        let open = match &self.to {
            To::Redis(client) => {
                let client = client.clone();
                boxed(|| async move { Ok(client.subscribe([name]).await?.boxed()) })
            }
            To::Broadcast(broadcast) => {
                let broadcast = Arc::clone(broadcast);
                boxed(|| async move { broadcast.listen(&name).await })
            }
        };
        // A request of a Worker must not wait for messages that another one receives.
        if !platform::shares_futures() {
            let check = check.map(|check| check.every);
            return Ok(Source::Own { live: open.await?, begun: false, check });
        }
        let inbox = Inbox::new(self.options.buffer);
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.get(channel).and_then(Weak::upgrade)
            && feed.join(&inbox)
        {
            return Ok(Source::Shared(Shared { feed, inbox }));
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed::default());
        feed.join(&inbox);
        feeds.insert(channel.to_owned(), Arc::downgrade(&feed));
        let task = Arc::clone(&feed);
        platform::spawn(boxed(|| task.run(open, check)));
        Ok(Source::Shared(Shared { feed, inbox }))
    }
}
