use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

/// The body of a response that went through the cache: cached bytes, or what the service gives.
pub struct HttpCacheBody<B: Body> {
    start: VecDeque<Frame<Bytes>>,
    /// What came instead of the next frame.
    error: Option<B::Error>,
    rest: Option<Pin<Box<B>>>,
}

impl<B: Body<Data = Bytes>> HttpCacheBody<B> {
    pub(super) fn full(bytes: Bytes) -> Self {
        let start = if bytes.is_empty() { VecDeque::new() } else { [Frame::data(bytes)].into() };
        Self { start, error: None, rest: None }
    }

    pub(super) fn of(body: B) -> Self {
        Self { start: VecDeque::new(), error: None, rest: Some(Box::pin(body)) }
    }

    /// All bytes of a body, or the body as it was if they are more than `limit`, or something else came.
    pub(super) async fn collect(body: B, limit: usize) -> Result<Bytes, Self> {
        let mut body = Box::pin(body);
        let (mut start, mut whole) = (VecDeque::new(), Vec::new());
        loop {
            match body.frame().await {
                None => return Ok(whole.into()),
                Some(Ok(frame)) => {
                    let data = frame.data_ref().cloned();
                    start.push_back(frame);
                    if let Some(data) = data
                        && whole.len() + data.len() <= limit
                    {
                        whole.extend_from_slice(&data);
                        continue;
                    }
                    return Err(Self { start, error: None, rest: Some(body) });
                }
                Some(Err(error)) => return Err(Self { start, error: Some(error), rest: None }),
            }
        }
    }
}

impl<B: Body<Data = Bytes>> Body for HttpCacheBody<B>
where
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.start.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match &mut self.rest {
            Some(rest) => rest.as_mut().poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_empty()
            && self.error.is_none()
            && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let start =
            self.start.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        match &self.rest {
            None => SizeHint::with_exact(start),
            Some(rest) => {
                let mut hint = rest.size_hint();
                if let Some(upper) = hint.upper() {
                    hint.set_upper(upper.saturating_add(start));
                }
                hint.set_lower(hint.lower().saturating_add(start));
                hint
            }
        }
    }
}

impl<B: Body> fmt::Debug for HttpCacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCacheBody")
            .field("cached", &self.rest.is_none())
            .finish_non_exhaustive()
    }
}
