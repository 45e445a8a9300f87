use std::fmt;

use futures_util::stream::BoxStream;

use crate::Result;
use crate::client::Event;
use crate::platform::BoxFuture;

/// What a [`Broadcast`] hears: messages, losses and returns of its connection. An error is the last item.
pub type Heard = BoxStream<'static, Result<Event>>;

/// A way to those who listen other than Redis, for [`Events::over`](super::Events::over). It keeps no history: who is not connected
/// misses what is sent.
pub trait Broadcast: fmt::Debug + Send + Sync + 'static {
    /// Sends a message, a JSON object, to all who listen to the topic.
    fn publish<'a>(&'a self, topic: &'a str, message: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Listens to a topic. Messages are received from the moment the future is done. The stream reconnects by itself, and shows
    /// each loss.
    fn listen<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Heard>>;
}
