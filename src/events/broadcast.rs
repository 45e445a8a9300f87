use std::fmt;

use futures_util::stream::BoxStream;

use crate::Result;
use crate::client::Event;
use crate::platform::BoxFuture;

/// The stream of a subscription to a [`Broadcast`]: messages, and the losses and resumptions of its connection. An error is the last item.
pub type Heard = BoxStream<'static, Result<Event>>;

/// A message channel other than Redis, for [`Events::over`](super::Events::over). It has no history: a subscriber misses the messages that
/// are sent while it is not connected.
pub trait Broadcast: fmt::Debug + Send + Sync + 'static {
    /// Sends a message, a JSON object, to all subscribers of the topic.
    fn publish<'a>(&'a self, topic: &'a str, message: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Subscribes to a topic. Messages that are sent after the future has completed are received. The stream reconnects by itself, and
    /// yields an event for each loss.
    fn listen<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Heard>>;
}
