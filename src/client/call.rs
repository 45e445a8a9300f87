use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::sender::Sender;
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, boxed};
use crate::transport::sending;
use crate::{Error, ErrorKind, Result, Value};

/// The future of a command's reply. Nothing is sent until it is polled. Dropping it cancels the request, if the transport
/// can. Every error names the command.
#[must_use = "nothing is sent until the call is awaited"]
pub struct Call<R> {
    /// The command, until the call is polled for the first time.
    unsent: Option<Unsent>,
    reply: Option<BoxFuture<'static, Sent>>,
    convert: fn(Value) -> Result<R>,
}

struct Unsent {
    sender: Sender,
    command: Command,
    /// The script that the command runs.
    script: Option<Script>,
    limit: Option<Duration>,
}

/// A reply, and the command that it answers.
type Sent = (Result<Value>, Option<Command>);

impl Unsent {
    fn send(self) -> BoxFuture<'static, Sent> {
        let Self { sender, command, script, limit } = self;
        match (script, limit) {
            (None, None) => boxed(|| async move { (sender.send(&command).await, Some(command)) }),
            (None, Some(limit)) => boxed(|| async move {
                (sending::limited(limit, sender.send(&command)).await, Some(command))
            }),
            (Some(script), None) => {
                boxed(
                    || async move { (sender.send_script(&script, &command).await, Some(command)) },
                )
            }
            (Some(script), Some(limit)) => boxed(|| async move {
                let reply = sender.send_script(&script, &command);
                (sending::limited(limit, reply).await, Some(command))
            }),
        }
    }
}

impl<R> Call<R> {
    pub(super) fn new(sender: Sender, command: Command, convert: fn(Value) -> Result<R>) -> Self {
        Self::unsent(Unsent { sender, command, script: None, limit: None }, convert)
    }

    pub(super) fn of_script(
        sender: Sender,
        script: Script,
        command: Command,
        convert: fn(Value) -> Result<R>,
    ) -> Self {
        Self::unsent(Unsent { sender, command, script: Some(script), limit: None }, convert)
    }

    fn unsent(unsent: Unsent, convert: fn(Value) -> Result<R>) -> Self {
        Self { unsent: Some(unsent), reply: None, convert }
    }

    /// Ends this one call if it takes longer than `limit`, and drops its request.
    ///
    /// ```
    /// use edgecask::prelude::*;
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let value = client.get::<String>("k").within(Duration::from_millis(50)).await?;
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The error is then of kind [`ErrorKind::Timeout`], and its outcome is that of a [`Deadline`](crate::layer::Deadline).
    pub fn within(mut self, limit: Duration) -> Self {
        if let Some(unsent) = &mut self.unsent {
            unsent.limit = Some(unsent.limit.map_or(limit, |other| other.min(limit)));
        } else if let Some(reply) = self.reply.take() {
            self.reply = Some(within(limit, reply));
        }
        self
    }

    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Sent> {
        if let Some(unsent) = self.unsent.take() {
            self.reply = Some(unsent.send());
        }
        match &mut self.reply {
            Some(reply) => {
                let sent = ready!(reply.as_mut().poll(context));
                self.reply = None;
                Poll::Ready(sent)
            }
            // The call has already returned its reply.
            None => Poll::Pending,
        }
    }

    fn poll_reply<T>(
        &mut self,
        context: &mut Context<'_>,
        convert: impl FnOnce(Result<R>) -> Result<T>,
    ) -> Poll<Result<T>> {
        let (reply, command) = ready!(self.poll_sent(context));
        let reply = convert(reply.and_then(self.convert));
        Poll::Ready(match (reply, command) {
            (Err(error), Some(command)) => Err(error.with_command(|| command.label())),
            (reply, _) => reply,
        })
    }
}

/// Limits a call that was polled before.
fn within(limit: Duration, reply: BoxFuture<'static, Sent>) -> BoxFuture<'static, Sent> {
    boxed(|| async move {
        let mut answered = None;
        let reply = sending::limited(limit, async {
            let (reply, command) = reply.await;
            answered = command;
            reply
        });
        (reply.await, answered)
    })
}

impl<R> Future for Call<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_reply(context, |reply| reply)
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

/// A [`Call`] whose value must exist; see [`Call::required`].
#[must_use = "nothing is sent until the call is awaited"]
pub struct Required<T>(Call<Option<T>>);

impl<T> Call<Option<T>> {
    /// The same call, for which an absent value is an error of kind [`ErrorKind::NotFound`].
    ///
    /// ```
    /// use edgecask::{ErrorKind, prelude::*};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let error = client.get::<String>("user:1").required().await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// assert_eq!(error.to_string(), "GET user:1: not found: there is no such value");
    ///
    /// client.set("user:1", "Ada").await?;
    /// assert_eq!(client.get::<String>("user:1").required().await?, "Ada");
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn required(self) -> Required<T> {
        Required(self)
    }
}

impl<T> Required<T> {
    /// As [`Call::within`].
    pub fn within(self, limit: Duration) -> Self {
        Self(self.0.within(limit))
    }
}

impl<T> Future for Required<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_reply(context, |reply| {
            let absent = || Error::new(ErrorKind::NotFound, "there is no such value");
            reply?.ok_or_else(absent)
        })
    }
}

impl<T> fmt::Debug for Required<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Required").finish_non_exhaustive()
    }
}
