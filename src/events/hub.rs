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

/// The state that the topics of a hub share.
pub(super) struct Hub {
    backend: Backend,
    pub(super) options: EventsOptions,
    feeds: Mutex<HashMap<String, Weak<Feed>>>,
}

/// The server of the events.
enum Backend {
    Redis(Client),
    Broadcast(Arc<dyn Broadcast>),
}

impl Hub {
    pub(super) fn new(client: Client, options: EventsOptions) -> Self {
        let backend = Backend::Redis(client.layer(WithoutFallback));
        Self { backend, options, feeds: Mutex::default() }
    }

    pub(super) fn over(broadcast: Arc<dyn Broadcast>, options: EventsOptions) -> Self {
        Self {
            backend: Backend::Broadcast(broadcast),
            options: options.keep(0),
            feeds: Mutex::default(),
        }
    }

    /// The client of Redis.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the events go over a broadcast.
    pub(super) fn client(&self) -> Result<&Client> {
        match &self.backend {
            Backend::Redis(client) => Ok(client),
            Backend::Broadcast(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "these events go over a broadcast, which has no positions and no presence: use Redis",
            )),
        }
    }

    /// The broadcast that replaces Redis.
    pub(super) fn broadcast(&self) -> Option<&dyn Broadcast> {
        match &self.backend {
            Backend::Redis(_) => None,
            Backend::Broadcast(broadcast) => Some(&**broadcast),
        }
    }

    /// Whether subscribers listen instead of polling.
    pub(super) fn is_live(&self) -> bool {
        match &self.backend {
            Backend::Redis(client) => self.options.live && client.capabilities().subscriptions,
            Backend::Broadcast(_) => true,
        }
    }

    /// The source of signals of a channel.
    pub(super) async fn source(&self, channel: &str, check: Option<Check>) -> Result<Source> {
        if !self.is_live() && !self.options.has_history() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this transport has no subscriptions, and these events have no history: no event would arrive",
            ));
        }
        self.open(channel, check).await
    }

    /// The same for a presence, which can be polled without a history.
    pub(super) async fn presence_source(&self, channel: &str) -> Result<Source> {
        self.open(channel, None).await
    }

    async fn open(&self, channel: &str, check: Option<Check>) -> Result<Source> {
        if !self.is_live() {
            return Ok(Source::Poll(Poll::new(self.options.poll)));
        }
        let name = channel.to_owned();
        let open = match &self.backend {
            Backend::Redis(client) => {
                let client = client.clone();
                boxed(|| async move { Ok(client.subscribe([name]).await?.boxed()) })
            }
            Backend::Broadcast(broadcast) => {
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
