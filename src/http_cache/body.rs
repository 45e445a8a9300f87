use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::FutureExt;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use crate::platform::BoxFuture;

/// The body of a response that went through the cache: a stored body, or the stream of the service.
pub struct HttpCacheBody<B: Body> {
    /// A whole body, which is sent in one frame.
    whole: Option<Bytes>,
    /// Frames that are sent before those of `inner`.
    read: VecDeque<Frame<Bytes>>,
    inner: Option<Pin<Box<B>>>,
    /// `inner` has ended, and is not polled again.
    ended: bool,
    /// The error that `inner` gave after these frames.
    error: Option<Box<B::Error>>,
    tee: Option<Box<Tee>>,
}

/// Stores a whole body. A body that breaks off drops it uncalled.
pub(super) type StoreBody = Box<dyn FnOnce(Bytes) -> BoxFuture<'static, ()> + Send>;

/// Copies a body while the client reads it, and stores the copy at the end.
struct Tee {
    buffer: BodyBuffer,
    store: Option<StoreBody>,
    /// The complete body while it is stored, and its last frame, which is sent afterwards: a client that has the whole body
    /// finds it stored.
    storing: Option<(BoxFuture<'static, ()>, Option<Frame<Bytes>>)>,
}

/// The copy of a body. A body of one frame is not copied.
#[derive(Default)]
struct BodyBuffer {
    first: Option<Bytes>,
    more: Vec<u8>,
    limit: usize,
    /// The length by `Content-Length`.
    expected: Option<usize>,
}

impl BodyBuffer {
    fn new(limit: usize, expected: Option<usize>) -> Self {
        Self { limit, expected, ..Self::default() }
    }

    fn len(&self) -> usize {
        self.more.len() + self.first.as_ref().map_or(0, Bytes::len)
    }

    /// Adds a frame. False: the body is longer than the limit or its `Content-Length`, and is not stored.
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
            // The buffer grows by an eighth: doubling would leave up to half of it unused.
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

    /// The whole body. `None` if its length is not that of `Content-Length`.
    fn into_whole(self) -> Option<Bytes> {
        // A slice keeps the whole buffer of its connection alive, so a small one is copied.
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

/// The state of a body, as far as it is known without waiting.
pub(super) enum Probe<B: Body> {
    /// The whole body is available.
    Complete(Bytes),
    /// The body is stored at its end.
    Incomplete(Box<IncompleteBody<B>>),
    /// The body is too large, broken or has trailers, and is not stored.
    NotStorable(HttpCacheBody<B>),
}

pub(super) struct IncompleteBody<B: Body> {
    read: VecDeque<Frame<Bytes>>,
    inner: Pin<Box<B>>,
    buffer: BodyBuffer,
}

impl<B: Body<Data = Bytes>> IncompleteBody<B> {
    /// The body for the client. It calls `store` at its end.
    pub(super) fn storing(self, store: StoreBody) -> HttpCacheBody<B> {
        let tee = Tee { buffer: self.buffer, store: Some(store), storing: None };
        let mut body = HttpCacheBody::not_stored(self.read, self.inner);
        body.tee = Some(Box::new(tee));
        body
    }
}

impl<B: Body<Data = Bytes>> HttpCacheBody<B> {
    pub(super) fn full(bytes: Bytes) -> Self {
        let whole = (!bytes.is_empty()).then_some(bytes);
        Self { whole, read: VecDeque::new(), inner: None, ended: true, error: None, tee: None }
    }

    pub(super) fn of(body: B) -> Self {
        Self::not_stored(VecDeque::new(), Box::pin(body))
    }

    /// These frames, and then those of `inner`.
    fn not_stored(read: VecDeque<Frame<Bytes>>, inner: Pin<Box<B>>) -> Self {
        Self { whole: None, read, inner: Some(inner), ended: false, error: None, tee: None }
    }

    /// Reads the frames of a body that are available now.
    pub(super) fn probe(body: B, limit: usize, expected: Option<usize>) -> Probe<B> {
        // The client gets the first frames without waiting for more than this.
        const ENOUGH: usize = 64;
        let mut inner = Box::pin(body);
        let (mut read, mut buffer) = (VecDeque::new(), BodyBuffer::new(limit, expected));
        let exact = inner.size_hint().exact().and_then(|exact| usize::try_from(exact).ok());
        if exact.is_some_and(|exact| exact > limit) {
            return Probe::NotStorable(Self::not_stored(read, inner));
        }
        if buffer.expected.is_none() {
            buffer.expected = exact;
        }
        let mut ended = false;
        while !ended && !inner.is_end_stream() && read.len() < ENOUGH {
            match inner.frame().now_or_never() {
                None => return Probe::Incomplete(Box::new(IncompleteBody { read, inner, buffer })),
                Some(None) => ended = true,
                Some(Some(Ok(frame))) => {
                    let fits = frame.data_ref().is_some_and(|data| buffer.push(data));
                    read.push_back(frame);
                    if !fits {
                        return Probe::NotStorable(Self::not_stored(read, inner));
                    }
                }
                Some(Some(Err(error))) => {
                    let mut body = Self::not_stored(read, inner);
                    body.error = Some(Box::new(error));
                    return Probe::NotStorable(body);
                }
            }
        }
        if !ended && !inner.is_end_stream() {
            return Probe::Incomplete(Box::new(IncompleteBody { read, inner, buffer }));
        }
        match buffer.into_whole() {
            Some(whole) => Probe::Complete(whole),
            None => Probe::NotStorable(Self { ended, ..Self::not_stored(read, inner) }),
        }
    }
}

impl Tee {
    /// Begins to store the complete body. Its last frame is sent afterwards. False: it is not stored.
    fn end(&mut self, last: Option<Frame<Bytes>>) -> bool {
        let buffer = std::mem::take(&mut self.buffer);
        let (Some(store), Some(whole)) = (self.store.take(), buffer.into_whole()) else {
            return false;
        };
        self.storing = Some((store(whole), last));
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
        if let Some(whole) = this.whole.take() {
            return Poll::Ready(Some(Ok(Frame::data(whole))));
        }
        if let Some(frame) = this.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = this.error.take() {
            this.ended = true;
            return Poll::Ready(Some(Err(*error)));
        }
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(None);
        };
        loop {
            if let Some(tee) = &mut this.tee
                && let Some((stored, last)) = &mut tee.storing
            {
                ready!(stored.as_mut().poll(context));
                let last = last.take();
                this.tee = None;
                match last {
                    Some(last) => return Poll::Ready(Some(Ok(last))),
                    None => return Poll::Ready(None),
                }
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let frame = ready!(inner.as_mut().poll_frame(context));
            this.ended = !matches!(frame, Some(Ok(_)));
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
                    if !frame.data_ref().is_some_and(|data| tee.buffer.push(data)) {
                        this.tee = None;
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    if !inner.is_end_stream() && !tee.buffer.is_all() {
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
        self.whole.is_none()
            && self.read.is_empty()
            && self.error.is_none()
            && self.tee.as_ref().is_none_or(|tee| tee.storing.is_none())
            && (self.ended || self.inner.as_ref().is_none_or(|inner| inner.is_end_stream()))
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.tee.as_ref().and_then(|tee| tee.storing.as_ref()?.1.as_ref());
        let held = self.read.iter().chain(last).filter_map(Frame::data_ref);
        let held = held.chain(&self.whole);
        let held: u64 = held.map(|data| data.len() as u64).sum();
        let mut hint = match &self.inner {
            None => return SizeHint::with_exact(held),
            Some(inner) => inner.size_hint(),
        };
        // The body ends in an error, so its length is not known.
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
            .field("cached", &self.inner.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two bytes, and no poll after the end.
    struct Short(u8);

    impl Body for Short {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            self.0 += 1;
            assert!(self.0 <= 3, "it is polled after its end");
            Poll::Ready((self.0 <= 2).then(|| Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    #[test]
    fn a_body_is_not_polled_after_its_end() {
        for length in [None, Some(2), Some(4)] {
            let mut body = match HttpCacheBody::probe(Short(0), 100, length) {
                Probe::Complete(whole) => HttpCacheBody::full(whole),
                Probe::NotStorable(body) => body,
                Probe::Incomplete(body) => {
                    body.storing(Box::new(|_| Box::pin(std::future::ready(()))))
                }
            };
            let mut read = 0;
            for _ in 0..5 {
                let frame = body.frame().now_or_never().expect("it is there");
                read += frame.map_or(0, |frame| frame.unwrap().into_data().unwrap().len());
            }
            assert_eq!(read, 2, "{length:?}");
        }
        // One that goes through the cache as it comes.
        let mut body = HttpCacheBody::of(Short(0));
        for _ in 0..5 {
            body.frame().now_or_never().expect("it is there");
        }
    }

    #[test]
    fn the_copy_of_a_body_is_held_once() {
        const LENGTH: usize = 1 << 20;
        for (expected, frame) in [(None, 1000), (Some(LENGTH), 1000), (None, 65_536)] {
            let mut buffer = BodyBuffer::new(2 * LENGTH, expected);
            let frame = Bytes::from(vec![b'x'; frame]);
            while buffer.len() < LENGTH {
                let left = (LENGTH - buffer.len()).min(frame.len());
                assert!(buffer.push(&frame.slice(..left)));
            }
            assert!(
                buffer.more.capacity() as f64 <= 1.2 * LENGTH as f64,
                "{}",
                buffer.more.capacity()
            );
            assert_eq!(buffer.into_whole().map(|body| body.len()), Some(LENGTH));
        }
        let mut buffer = BodyBuffer::new(10, None);
        assert!(
            buffer.push(&Bytes::from_static(b"0123456789"))
                && !buffer.push(&Bytes::from_static(b"0"))
        );
        let mut buffer = BodyBuffer::new(10, Some(3));
        assert!(buffer.push(&Bytes::from_static(b"01")));
        assert_eq!(buffer.into_whole(), None, "it is not as long as it said");
    }
}
