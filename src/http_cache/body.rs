use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::platform::BoxFuture;

/// The body of a response that went through the cache: cached bytes, or what the service gives, while it comes.
pub struct HttpCacheBody<B: Body> {
    /// What is sent before the rest.
    start: VecDeque<Frame<Bytes>>,
    rest: Option<Pin<Box<B>>>,
    /// What came in the place of the rest's next frame.
    error: Option<Box<B::Error>>,
    tee: Option<Box<Tee>>,
}

/// Stores a whole body. A body that breaks off drops it uncalled.
pub(super) type StoreBody = Box<dyn FnOnce(Bytes) -> BoxFuture<'static, ()> + Send>;

/// Keeps a copy of a body while the client reads it, and stores the copy at the end.
struct Tee {
    kept: Kept,
    store: Option<StoreBody>,
    /// The body is complete and is being stored. Its last frame is sent afterwards: a client that has the whole body finds
    /// it stored.
    ending: Option<(BoxFuture<'static, ()>, Option<Frame<Bytes>>)>,
}

/// The bytes of a body, held once.
#[derive(Default)]
struct Kept {
    first: Option<Bytes>,
    more: Vec<u8>,
    limit: usize,
    /// By `Content-Length`.
    expected: Option<usize>,
}

impl Kept {
    fn new(limit: usize, expected: Option<usize>) -> Self {
        Self { limit, expected, ..Self::default() }
    }

    fn len(&self) -> usize {
        self.more.len() + self.first.as_ref().map_or(0, Bytes::len)
    }

    /// Takes a frame; false if the body is not to be stored.
    fn push(&mut self, data: &Bytes) -> bool {
        let length = self.len() + data.len();
        if length > self.limit.min(self.expected.unwrap_or(usize::MAX)) {
            return false;
        }
        if self.len() == 0 {
            self.first = Some(data.clone());
            return true;
        }
        let capacity = self.more.capacity();
        if capacity < length {
            // An eighth more at a time: twice as much would be held for nothing.
            let wanted = self.expected.unwrap_or((length + length / 8).min(self.limit));
            self.more.reserve_exact(wanted.max(length) - self.more.len());
        }
        if let Some(first) = self.first.take() {
            self.more.extend_from_slice(&first);
        }
        self.more.extend_from_slice(data);
        true
    }

    fn is_all(&self) -> bool {
        self.expected == Some(self.len())
    }

    /// The whole body, or nothing if it is not as long as it said.
    fn into_whole(self) -> Option<Bytes> {
        // A part of a connection's buffer would keep all of it.
        const SMALL: usize = 64 << 10;
        if self.expected.is_some_and(|expected| expected != self.len()) {
            return None;
        }
        Some(match self.first {
            Some(first) if first.len() > SMALL => first,
            Some(first) => Bytes::copy_from_slice(&first),
            None => Bytes::from(self.more),
        })
    }
}

/// What can be said of a body without waiting for it.
pub(super) enum Probed<B: Body> {
    /// All of it is here.
    Whole(Bytes),
    /// It comes bit by bit; what is stored of it is stored at its end.
    Coming(Box<Coming<B>>),
    /// It is not to be stored: too large, broken, or with trailers.
    Unfit(HttpCacheBody<B>),
}

pub(super) struct Coming<B: Body> {
    start: VecDeque<Frame<Bytes>>,
    rest: Pin<Box<B>>,
    kept: Kept,
}

impl<B: Body<Data = Bytes>> Coming<B> {
    /// The body for the client, which stores itself at its end.
    pub(super) fn storing(self, store: StoreBody) -> HttpCacheBody<B> {
        let tee = Tee { kept: self.kept, store: Some(store), ending: None };
        HttpCacheBody {
            start: self.start,
            rest: Some(self.rest),
            error: None,
            tee: Some(Box::new(tee)),
        }
    }
}

impl<B: Body<Data = Bytes>> HttpCacheBody<B> {
    pub(super) fn full(bytes: Bytes) -> Self {
        let start = if bytes.is_empty() { VecDeque::new() } else { [Frame::data(bytes)].into() };
        Self { start, rest: None, error: None, tee: None }
    }

    pub(super) fn of(body: B) -> Self {
        Self { start: VecDeque::new(), rest: Some(Box::pin(body)), error: None, tee: None }
    }

    /// Takes what has come of a body by now.
    pub(super) fn probe(body: B, limit: usize, expected: Option<usize>) -> Probed<B> {
        // More than that is not worth being held back.
        const ENOUGH: usize = 64;
        let mut rest = Box::pin(body);
        let (mut start, mut kept) = (VecDeque::new(), Kept::new(limit, expected));
        let exact = rest.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
        if exact.is_some_and(|exact| exact > limit) {
            return Probed::Unfit(Self { start, rest: Some(rest), error: None, tee: None });
        }
        if kept.expected.is_none() {
            kept.expected = exact;
        }
        loop {
            if rest.is_end_stream() || start.len() >= ENOUGH {
                break;
            }
            match rest.frame().now_or_never() {
                None => return Probed::Coming(Box::new(Coming { start, rest, kept })),
                Some(None) => break,
                Some(Some(Ok(frame))) => {
                    let fits = frame.data_ref().is_some_and(|data| kept.push(data));
                    start.push_back(frame);
                    if !fits {
                        return Probed::Unfit(Self {
                            start,
                            rest: Some(rest),
                            error: None,
                            tee: None,
                        });
                    }
                }
                Some(Some(Err(error))) => {
                    let error = Some(Box::new(error));
                    return Probed::Unfit(Self { start, rest: Some(rest), error, tee: None });
                }
            }
        }
        if start.len() >= ENOUGH && !rest.is_end_stream() {
            return Probed::Coming(Box::new(Coming { start, rest, kept }));
        }
        match kept.into_whole() {
            Some(whole) => Probed::Whole(whole),
            None => Probed::Unfit(Self { start, rest: Some(rest), error: None, tee: None }),
        }
    }
}

impl Tee {
    /// The body has come: stores it, and then gives the last frame.
    fn end(&mut self, last: Option<Frame<Bytes>>) -> bool {
        let kept = std::mem::take(&mut self.kept);
        let (Some(store), Some(whole)) = (self.store.take(), kept.into_whole()) else {
            return false;
        };
        self.ending = Some((store(whole), last));
        true
    }
}

impl<B: Body<Data = Bytes>> Body for HttpCacheBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if let Some(frame) = this.start.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = this.error.take() {
            this.rest = None;
            return Poll::Ready(Some(Err(*error)));
        }
        let Some(rest) = &mut this.rest else {
            return Poll::Ready(None);
        };
        loop {
            if let Some(tee) = &mut this.tee
                && let Some((stored, last)) = &mut tee.ending
            {
                ready!(stored.as_mut().poll(context));
                let last = last.take();
                this.tee = None;
                match last {
                    Some(last) => return Poll::Ready(Some(Ok(last))),
                    None => return Poll::Ready(None),
                }
            }
            let frame = ready!(rest.as_mut().poll_frame(context));
            let Some(tee) = &mut this.tee else {
                return Poll::Ready(frame);
            };
            match frame {
                None => {
                    if !tee.end(None) {
                        this.tee = None;
                        return Poll::Ready(None);
                    }
                }
                Some(Ok(frame)) => {
                    if !frame.data_ref().is_some_and(|data| tee.kept.push(data)) {
                        this.tee = None;
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    if !rest.is_end_stream() && !tee.kept.is_all() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    let copy = frame.data_ref().cloned();
                    if !tee.end(Some(frame)) {
                        this.tee = None;
                        return Poll::Ready(copy.map(Frame::data).map(Ok));
                    }
                }
                Some(Err(error)) => {
                    this.tee = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_empty()
            && self.error.is_none()
            && self.tee.as_ref().is_none_or(|tee| tee.ending.is_none())
            && self.rest.as_ref().is_none_or(|rest| rest.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.tee.as_ref().and_then(|tee| tee.ending.as_ref()?.1.as_ref());
        let held = self.start.iter().chain(last).filter_map(Frame::data_ref);
        let held: u64 = held.map(|data| data.len() as u64).sum();
        let mut hint = match &self.rest {
            None => return SizeHint::with_exact(held),
            Some(rest) => rest.size_hint(),
        };
        // What is not there yet may be an error: a body that breaks off is never as long as what has come of it.
        if self.error.is_some() {
            hint = SizeHint::default();
        } else if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint.set_lower(hint.lower().saturating_add(held));
        hint
    }
}

impl<B: Body> fmt::Debug for HttpCacheBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCacheBody")
            .field("cached", &self.rest.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_body_is_held_once() {
        const LENGTH: usize = 1 << 20;
        for (expected, frame) in [(None, 1000), (Some(LENGTH), 1000), (None, 65_536)] {
            let mut kept = Kept::new(2 * LENGTH, expected);
            let frame = Bytes::from(vec![b'x'; frame]);
            while kept.len() < LENGTH {
                let left = (LENGTH - kept.len()).min(frame.len());
                assert!(kept.push(&frame.slice(..left)));
            }
            assert!(kept.more.capacity() as f64 <= 1.2 * LENGTH as f64, "{}", kept.more.capacity());
            assert_eq!(kept.into_whole().map(|body| body.len()), Some(LENGTH));
        }
        let mut kept = Kept::new(10, None);
        assert!(
            kept.push(&Bytes::from_static(b"0123456789")) && !kept.push(&Bytes::from_static(b"0"))
        );
        let mut kept = Kept::new(10, Some(3));
        assert!(kept.push(&Bytes::from_static(b"01")));
        assert_eq!(kept.into_whole(), None, "it is not as long as it said");
    }
}
