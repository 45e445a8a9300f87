use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Client;
use crate::command::Command;
use crate::platform::{self, BoxFuture};
use crate::{Error, ErrorKind, Result, Value};

/// A command on its way: a future of its reply. Nothing is sent until it is polled, and dropping it cancels the
/// request as far as the transport can.
#[must_use = "nothing is sent until the call is awaited"]
pub struct Call<R> {
    reply: BoxFuture<'static, Result<Value>>,
    /// For messages, where the call is one command.
    command: Option<Arc<Command>>,
    convert: fn(Value) -> Result<R>,
}

impl<R> Call<R> {
    pub(super) fn new(client: Client, command: Command, convert: fn(Value) -> Result<R>) -> Self {
        let command = Arc::new(command);
        let sent = Arc::clone(&command);
        let reply = Box::pin(async move { client.send(&sent).await });
        Self { reply, command: Some(command), convert }
    }

    pub(super) fn from_future(
        reply: BoxFuture<'static, Result<Value>>,
        convert: fn(Value) -> Result<R>,
    ) -> Self {
        Self { reply, command: None, convert }
    }
}

impl<R> Call<R> {
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
    /// The error is then of kind [`ErrorKind::Timeout`], its outcome unknown: the server may have carried the command
    /// out.
    pub fn within(self, limit: Duration) -> Self {
        let (reply, command) = (self.reply, self.command.clone());
        let limited = async move {
            platform::timeout(limit, reply).await.unwrap_or_else(|| {
                let error = Error::new(ErrorKind::Timeout, format!("no answer within {limit:?}"));
                Err(match command {
                    Some(command) => error.with_command(|| command.label()),
                    None => error,
                })
            })
        };
        Self { reply: Box::pin(limited), ..self }
    }
}

impl<R> Future for Call<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(self.reply.as_mut().poll(context));
        Poll::Ready(reply.and_then(self.convert))
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
