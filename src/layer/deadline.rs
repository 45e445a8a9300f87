use std::sync::Arc;
use std::time::Duration;

use super::Layer;
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport, sending};
use crate::{Result, Value};

/// Ends every call that takes longer than a limit, and drops its request. Default: 5 seconds.
///
/// The error is of kind [`ErrorKind::Timeout`](crate::ErrorKind::Timeout). Its outcome is
/// [`Outcome::NotSent`](crate::Outcome::NotSent) if the call was still waiting for its connection over TCP. Otherwise it is
/// [`Outcome::Unknown`](crate::Outcome::Unknown), because the server may have carried the command out; so it is over REST,
/// where an HTTP client does not tell when a request leaves. A layer of your own that sends one call to two transports
/// needs a deadline for each of them instead of one around both.
///
/// The limit of a subscription applies only until it is set up. The limit of a command that waits for data, such as BLPOP,
/// is extended by its own timeout. The same applies to a pipeline, by the sum of the timeouts of its WAITs. If one of them
/// has no timeout, the pipeline has no limit.
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
    /// The limit with what these commands may wait on the server; `None` if one of them may wait for ever.
    fn limit_for(&self, commands: &[Command]) -> Option<Duration> {
        let mut waits = commands.iter().filter_map(Command::blocks_for);
        waits.try_fold(self.limit, |limit, wait| {
            (wait != Duration::MAX).then(|| limit.saturating_add(wait))
        })
    }

    fn limited<'a, T: 'a>(
        limit: Option<Duration>,
        call: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        match limit {
            Some(limit) => boxed(|| sending::limited(limit, call)),
            None => call,
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithDeadline {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        let limit = self.limit_for(std::slice::from_ref(command));
        Self::limited(limit, self.inner.send(command))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Self::limited(self.limit_for(commands), self.inner.pipeline(commands))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        // Commands do not wait inside of a transaction.
        Self::limited(Some(self.limit), self.inner.transaction(commands))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Self::limited(Some(self.limit), self.inner.subscribe(to))
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.inner.register(script);
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::transport::memory::MemoryTransport;

    #[test]
    fn a_limit_grows_by_what_the_commands_may_wait() {
        let inner = Arc::new(MemoryTransport::new());
        let deadline = WithDeadline { limit: Duration::from_secs(5), inner };
        let limit_for = |lines: &[&str]| {
            let command = |line: &&str| {
                let mut words = line.split(' ').map(str::to_owned);
                Command::new(words.next().unwrap_or_default()).args_from(words)
            };
            let commands: Vec<Command> = lines.iter().map(command).collect();
            deadline.limit_for(&commands).map(|limit| limit.as_millis())
        };
        for (lines, expected) in [
            (&[][..], Some(5000)),
            (&["SET k v", "GET k"], Some(5000)),
            (&["SET k v", "WAIT 1 250"], Some(5250)),
            (&["SET k v", "WAIT 1 250", "SET k w", "WAITAOF 1 0 500"], Some(5750)),
            (&["SET k v", "WAIT 1 250", "WAIT 1 0"], None),
            (&["BLPOP k 1.5"], Some(6500)),
            (&["BLPOP k 0"], None),
        ] {
            assert_eq!(limit_for(lines), expected, "{lines:?}");
        }
    }
}
