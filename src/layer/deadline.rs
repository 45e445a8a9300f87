use std::sync::Arc;
use std::time::Duration;

use super::Layer;
use crate::command::Command;
use crate::platform::{self, BoxFuture, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, Result, Value};

/// Ends every call that takes longer than a limit, and drops its request. Default: 5 seconds.
///
/// The error is of kind [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), and its outcome is unknown: the server may
/// have carried the command out. A subscription has to be set up within the limit, and may then last; a command that
/// waits for data, such as BLPOP, may take as much longer as it was told to wait.
///
/// ```
/// use edgecask::{Client, layer::Deadline};
/// use std::time::Duration;
///
/// let client = Client::memory().layer(Deadline::new(Duration::from_millis(250)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    limit: Duration,
}

impl Deadline {
    /// This limit for each call.
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl Default for Deadline {
    fn default() -> Self {
        Self::new(Duration::from_secs(5))
    }
}

impl Layer for Deadline {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithDeadline { limit: self.limit, inner })
    }
}

#[derive(Debug)]
struct WithDeadline {
    limit: Duration,
    inner: Arc<dyn Transport>,
}

impl WithDeadline {
    fn limited<'a, T: 'a>(&self, call: BoxFuture<'a, Result<T>>) -> BoxFuture<'a, Result<T>> {
        Self::limited_to(self.limit, call)
    }

    fn limited_to<'a, T: 'a>(
        limit: Duration,
        call: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        boxed(|| async move {
            platform::timeout(limit, call).await.unwrap_or_else(|| Err(Error::timed_out(limit)))
        })
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithDeadline {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        let call = self.inner.send(command);
        match command.blocks_for() {
            None => self.limited(call),
            Some(Duration::MAX) => call,
            Some(wait) => Self::limited_to(self.limit.saturating_add(wait), call),
        }
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.limited(self.inner.pipeline(commands))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.limited(self.inner.transaction(commands))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.limited(self.inner.subscribe(to))
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }
}
