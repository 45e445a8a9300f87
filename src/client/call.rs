use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::Client;
use crate::command::Command;
use crate::platform::{self, BoxFuture, boxed};
use crate::{Error, Result, Value};

/// A command on its way: a future of its reply. Nothing is sent until it is polled, and dropping it cancels the
/// request as far as the transport can.
#[must_use = "nothing is sent until the call is awaited"]
pub struct Call<R> {
    /// A command that nobody has asked for yet.
    unsent: Option<(Client, Command)>,
    reply: Option<BoxFuture<'static, Result<Value>>>,
    convert: fn(Value) -> Result<R>,
}

impl<R> Call<R> {
    pub(super) fn new(client: Client, command: Command, convert: fn(Value) -> Result<R>) -> Self {
        Self { unsent: Some((client, command)), reply: None, convert }
    }

    pub(super) fn from_future(
        reply: BoxFuture<'static, Result<Value>>,
        convert: fn(Value) -> Result<R>,
    ) -> Self {
        Self { unsent: None, reply: Some(reply), convert }
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
    /// The error is then of kind [`ErrorKind::Timeout`](crate::ErrorKind::Timeout), its outcome unknown: the server may
    /// have carried the command out.
    pub fn within(self, limit: Duration) -> Self {
        async fn limited(
            limit: Duration,
            reply: impl Future<Output = Result<Value>> + Send,
        ) -> Result<Value> {
            platform::timeout(limit, reply).await.unwrap_or_else(|| Err(Error::timed_out(limit)))
        }
        let reply: Option<BoxFuture<'static, Result<Value>>> = match (self.unsent, self.reply) {
            (Some((client, command)), _) => Some(boxed(|| async move {
                let result = limited(limit, client.send(&command)).await;
                result.map_err(|error| error.with_command(|| command.label()))
            })),
            (None, Some(reply)) => Some(Box::pin(limited(limit, reply))),
            (None, None) => None,
        };
        Self { unsent: None, reply, convert: self.convert }
    }
}

impl<R> Future for Call<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some((client, command)) = this.unsent.take() {
            this.reply = Some(boxed(|| async move { client.send(&command).await }));
        }
        match &mut this.reply {
            Some(reply) => {
                let reply = ready!(reply.as_mut().poll(context));
                Poll::Ready(reply.and_then(this.convert))
            }
            // A call is made with the one or the other.
            None => Poll::Pending,
        }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}
