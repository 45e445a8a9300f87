use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::platform::BoxFuture;
use crate::{Result, Value};

/// A command on its way: a future of its reply. Nothing is sent until it is polled, and dropping it cancels the
/// request as far as the transport can.
#[must_use = "nothing is sent until the call is awaited"]
pub struct Call<R> {
    reply: BoxFuture<'static, Result<Value>>,
    convert: fn(Value) -> Result<R>,
}

impl<R> Call<R> {
    pub(super) fn new(
        reply: BoxFuture<'static, Result<Value>>,
        convert: fn(Value) -> Result<R>,
    ) -> Self {
        Self { reply, convert }
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
