//! Pipelines and transactions as one expression: the commands in a tuple, and their replies in the same tuple.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::batch::{Pipeline, Replies, Slot, Transaction};
use super::handle::Client;
use crate::platform::{BoxFuture, boxed};
use crate::transport::sending;
use crate::{Error, ErrorKind, Result};

/// The places of several replies: a [`Slot`], or a tuple of up to twelve, a `Vec`, an array or an `Option` of places, nested
/// to any depth.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stand for the replies of a pipeline",
    note = "return what the commands returned: a slot, a tuple of up to twelve, or a `Vec` of slots"
)]
pub trait Slots {
    /// The replies, in the same shape.
    type Output;

    /// Takes the replies.
    ///
    /// # Errors
    /// Those of [`Replies::take`], for the first slot that has one.
    fn take_from(self, replies: &mut Replies) -> Result<Self::Output>;
}

impl<R> Slots for Slot<R> {
    type Output = R;

    fn take_from(self, replies: &mut Replies) -> Result<R> {
        replies.take(self)
    }
}

impl<S: Slots> Slots for Vec<S> {
    type Output = Vec<S::Output>;

    fn take_from(self, replies: &mut Replies) -> Result<Self::Output> {
        self.into_iter().map(|slots| slots.take_from(replies)).collect()
    }
}

impl<S: Slots, const N: usize> Slots for [S; N] {
    type Output = [S::Output; N];

    fn take_from(self, replies: &mut Replies) -> Result<Self::Output> {
        let taken = Vec::from(self).take_from(replies)?;
        let wrong = |_| Error::new(ErrorKind::Protocol, "there are not as many replies as slots");
        taken.try_into().map_err(wrong)
    }
}

impl<S: Slots> Slots for Option<S> {
    type Output = Option<S::Output>;

    fn take_from(self, replies: &mut Replies) -> Result<Self::Output> {
        self.map(|slots| slots.take_from(replies)).transpose()
    }
}

macro_rules! slots_of_tuple {
    ($($($slots:ident)*;)+) => {$(
        impl<$($slots: Slots),*> Slots for ($($slots,)*) {
            type Output = ($($slots::Output,)*);

            #[allow(non_snake_case, reason = "the slots are named as their types are")]
            fn take_from(self, _replies: &mut Replies) -> Result<Self::Output> {
                let ($($slots,)*) = self;
                Ok(($($slots.take_from(_replies)?,)*))
            }
        }
    )+};
}
slots_of_tuple! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}

/// The future of the replies of several commands. Nothing is sent until it is polled.
#[must_use = "nothing is sent until it is awaited"]
pub struct Batch<S> {
    /// The request and the slots, until the replies are there.
    under_way: Option<(BoxFuture<'static, Result<Replies>>, S)>,
}

impl<S> Batch<S> {
    /// Ends these commands if they take longer than `limit`, and drops their request. The error is then of kind
    /// [`ErrorKind::Timeout`], and its outcome is that of a [`Deadline`](crate::layer::Deadline).
    pub fn within(self, limit: Duration) -> Self {
        let under_way = self.under_way.map(|(replies, slots)| {
            let limited: BoxFuture<'static, Result<Replies>> =
                boxed(|| sending::limited(limit, replies));
            (limited, slots)
        });
        Self { under_way }
    }
}

// The slots are data that is never pinned.
impl<S> Unpin for Batch<S> {}

impl<S: Slots> Future for Batch<S> {
    type Output = Result<S::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The future has already returned its replies.
        let Some((replies, _)) = &mut self.under_way else { return Poll::Pending };
        let replies = ready!(replies.as_mut().poll(context));
        let Some((_, slots)) = self.under_way.take() else { return Poll::Pending };
        let mut replies = replies?;
        // This includes the error of a command whose slot was not returned.
        if let Some(error) = replies.first_error() {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(slots.take_from(&mut replies))
    }
}

impl<S> fmt::Debug for Batch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

impl Client {
    /// Sends several commands in one round trip, and returns their replies in the shape in which `queue` returned their slots: a
    /// tuple, a `Vec`, or any nesting of them. Without commands nothing is sent.
    ///
    /// ```
    /// use edgecask::prelude::*;
    /// use std::collections::HashMap;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let (visits, session): (i64, HashMap<String, String>) =
    ///     client.pipelined(|p| (p.incr("visits"), p.hgetall("session:1"))).await?;
    /// assert_eq!((visits, session.len()), (1, 0));
    ///
    /// let names = ["a", "b", "c"];
    /// let counts = client.pipelined(|p| names.map(|name| p.incr(name))).await?;
    /// assert_eq!(counts, [1, 1, 1]);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The commands run in order but not as a unit. One that fails does not stop the others. To get the error of each command,
    /// use [`Client::pipeline`].
    ///
    /// # Errors
    /// The error of the first command that failed, also if its slot was not returned; the error names the command. Otherwise
    /// as for [`Client::send_pipeline`].
    pub fn pipelined<S: Slots>(&self, queue: impl FnOnce(&Pipeline) -> S) -> Batch<S> {
        let pipeline = self.pipeline();
        let slots = queue(&pipeline);
        Batch { under_way: Some((boxed(|| pipeline.exec()), slots)) }
    }

    /// Runs several commands as a unit (MULTI/EXEC) in one round trip, and returns their replies as
    /// [`Client::pipelined`] does.
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let (from, to) =
    ///     client.transacted(|t| (t.decrby("account:1", 10), t.incrby("account:2", 10))).await?;
    /// assert_eq!((from, to), (-10, 10));
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Redis undoes nothing: if one command failed, the others have run. To get the error of each command, use
    /// [`Client::transaction`].
    ///
    /// # Errors
    /// As for [`Client::pipelined`], and [`ErrorKind::Discarded`] if none has run.
    pub fn transacted<S: Slots>(&self, queue: impl FnOnce(&Transaction) -> S) -> Batch<S> {
        let transaction = self.transaction();
        let slots = queue(&transaction);
        Batch { under_way: Some((boxed(|| transaction.exec()), slots)) }
    }
}
