//! A layer on the way to a server, at which a test records, holds up, changes or loses what passes.

use std::fmt;
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use edgecask::layer::Layer;
use edgecask::platform::BoxFuture;
use edgecask::transport::{Capabilities, Messages, Results, Subscription, Transport};
use edgecask::{Command, Error, ErrorKind, Result, Script, Value};

/// What a test does to each round trip. As a [`Layer`], wrap it in [`Tapped`].
pub trait Tap: fmt::Debug + Send + Sync + 'static {
    /// What the transport says that it can do.
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        inner
    }

    /// Carries a round trip. [`Trip::go`] hands it on as it is.
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>>;
}

/// How commands go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// One command by itself.
    Send,
    /// A pipeline.
    Pipeline,
    /// A transaction.
    Transaction,
}

/// A round trip that has not begun.
#[derive(Debug, Clone, Copy)]
pub struct Trip<'a> {
    /// What is sent.
    pub commands: &'a [Command],
    /// How it is sent.
    pub by: By,
    /// Where it goes.
    pub inner: &'a Arc<dyn Transport>,
}

impl Trip<'_> {
    /// Sends the commands on as they came.
    ///
    /// # Errors
    /// Those of the transport. The error of a command that is sent by itself is that of the whole trip.
    pub async fn go(self) -> Result<Results> {
        match self.by {
            By::Send => {
                let mut results = Vec::with_capacity(1);
                for command in self.commands {
                    results.push(Ok(self.inner.send(command).await?));
                }
                Ok(results)
            }
            By::Pipeline => self.inner.pipeline(self.commands).await,
            By::Transaction => self.inner.transaction(self.commands).await,
        }
    }
}

/// The layer of a [`Tap`]. Subscriptions and sync tokens pass it untouched.
#[derive(Debug)]
pub struct Tapped<T>(pub T);

impl<T: Tap> Layer for Tapped<T> {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Tapping { tap: self.0, inner })
    }
}

#[derive(Debug)]
struct Tapping<T> {
    tap: T,
    inner: Arc<dyn Transport>,
}

impl<T: Tap> Tapping<T> {
    fn carry<'a>(&'a self, commands: &'a [Command], by: By) -> BoxFuture<'a, Result<Results>> {
        self.tap.carry(Trip { commands, by, inner: &self.inner })
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: Tap> Transport for Tapping<T> {
    fn capabilities(&self) -> Capabilities {
        self.tap.capabilities(self.inner.capabilities())
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let replies = self.carry(slice::from_ref(command), By::Send).await?;
            let none = || Err(Error::new(ErrorKind::Protocol, "a tap gave no reply"));
            replies.into_iter().next().unwrap_or_else(none)
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.carry(commands, By::Pipeline)
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.carry(commands, By::Transaction)
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.inner.subscribe(to)
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

/// A transport without subscriptions.
#[derive(Debug, Clone, Copy)]
pub struct Deaf;

impl Tap for Deaf {
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        inner.subscriptions(false)
    }

    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(trip.go())
    }
}

/// Keeps what was sent. Its clones keep it together.
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<Mutex<Vec<Command>>>);

impl Sent {
    /// The command that was sent last. It is not kept any more.
    pub fn pop(&self) -> Option<Command> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Forgets what was sent.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Tap for Sent {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(trip.commands.iter().cloned());
        Box::pin(trip.go())
    }
}
