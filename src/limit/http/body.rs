//! The body of a response that holds a permit.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};

use super::super::permit::Permit;

/// The body of a response of [`HttpLimitService`](super::HttpLimitService): the application's, or that of a refusal. It holds the
/// request's permit, if there is one, until its end, or until it is dropped.
pub struct HttpLimitBody<B> {
    inner: Either<Pin<Box<B>>, Full<Bytes>>,
    permit: Option<Permit>,
}

impl<B> HttpLimitBody<B> {
    /// The application's body.
    pub(super) fn of(body: B, permit: Option<Permit>) -> Self {
        Self { inner: Either::Left(Box::pin(body)), permit }
    }

    /// A refusal's body.
    pub(super) fn full(bytes: Bytes) -> Self {
        Self { inner: Either::Right(Full::new(bytes)), permit: None }
    }
}

impl<B: Body<Data = Bytes>> Body for HttpLimitBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = match &mut self.inner {
            Either::Left(body) => ready!(body.as_mut().poll_frame(context)),
            Either::Right(full) => match ready!(Pin::new(full).poll_frame(context)) {
                Some(Ok(frame)) => Some(Ok(frame)),
                None => None,
                Some(Err(never)) => match never {},
            },
        };
        // Who has seen the end may keep the body without asking for more.
        if !matches!(frame, Some(Ok(_))) || self.is_end_stream() {
            self.permit = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Either::Left(body) => body.is_end_stream(),
            Either::Right(full) => full.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Either::Left(body) => body.size_hint(),
            Either::Right(full) => full.size_hint(),
        }
    }
}

impl<B> fmt::Debug for HttpLimitBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLimitBody")
            .field("has_permit", &self.permit.is_some())
            .finish_non_exhaustive()
    }
}
