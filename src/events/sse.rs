//! Server-sent events for browsers: a subscription as a `text/event-stream` ([HTML Living
//! Standard](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
//!
//! An `EventSource` resumes by itself: each event has the `id:` of its position, which the browser sends in `Last-Event-ID` when it
//! connects again. A gap is an event of the name `gap` with `{"reason":…,"missed":…}`.
//!
//! ```
//! use edgecask::events::{Events, Start, sse::SseStream};
//! use edgecask::{Client, Keyspace};
//! use futures_util::StreamExt;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let topic = Events::new(Client::memory()).topic::<u64>(Keyspace::literal("orders").key("acme")?);
//! // From the request's header `Last-Event-ID`.
//! let start = Start::last_event_id(None, Start::Now);
//! let mut body = SseStream::new(topic.subscribe(start).await?);
//! assert!(body.next().await.expect("it begins")?.starts_with(b"retry: 3000\nid: "));
//! topic.publish(&17).name("created").await?;
//! let event = body.next().await.expect("it goes on")?;
//! assert!(event.ends_with(b"event: created\ndata: 17\n\n"));
//! // With axum, and the feature `events-http`: `body.into_response()`. In a Worker `Response::from_stream`; see docs/events.md.
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::item::{DEFAULT_NAME, Event, Gap, Item};
use super::position::Position;
use super::subscription::Subscription;
use crate::platform;
use crate::{Error, ErrorKind, Result};

/// The name of the event that reports a gap. An event of a topic with this name is sent as `message`. So are events with the names `error`
/// and `open`, which an `EventSource` uses for its own events.
pub const GAP_NAME: &str = "gap";

/// The settings of an [`SseStream`].
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct SseOptions {
    retry: Duration,
    keep_alive: Duration,
}

impl SseOptions {
    /// The default settings; each method documents its default.
    pub fn new() -> Self {
        Self { retry: Duration::from_secs(3), keep_alive: Duration::from_secs(15) }
    }

    /// How long a browser waits before it connects again. Default: 3 seconds.
    pub fn retry(mut self, wait: Duration) -> Self {
        self.retry = wait;
        self
    }

    /// The time without an event after which a comment is sent, so that proxies do not close the connection. It costs no command.
    /// At least a millisecond. Default: 15 seconds.
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = every.max(Duration::from_millis(1));
        self
    }
}

impl Default for SseOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A subscription as the body of a response: a stream of bytes that ends when the subscription ends. After that the browser connects
/// again. It yields no error.
#[must_use = "dropping it unsubscribes"]
pub struct SseStream(BoxStream<'static, Result<Bytes>>);

impl SseStream {
    /// A stream with the default options.
    pub fn new<T: Serialize + DeserializeOwned + 'static>(subscription: Subscription<T>) -> Self {
        Self::with_options(subscription, SseOptions::new())
    }

    /// A stream with these options.
    pub fn with_options<T: Serialize + DeserializeOwned + 'static>(
        subscription: Subscription<T>,
        options: SseOptions,
    ) -> Self {
        // A browser that loses the connection before the first event continues from here. Without a history it comes back with a
        // position that is always unknown, and gets a gap.
        let unknown = Position { epoch: 0, offset: 0 };
        let position = subscription.position().or((!subscription.has_history).then_some(unknown));
        let begin = begin(options.retry, position);
        let first = stream::once(std::future::ready(Ok(begin)));
        let begun = (subscription, position);
        let rest = stream::unfold(begun, move |(mut subscription, mut at)| async move {
            let waited = platform::sleep(options.keep_alive);
            let next = match select(subscription.next(), waited).await {
                Either::Left((next, _)) => Some(next),
                Either::Right(_) => None,
            };
            let text = match next {
                Some(Some(Ok(item))) => {
                    at = position_of(&item).or(at);
                    of_item(item)
                }
                Some(Some(Err(error))) => {
                    // The error is not sent to the browser.
                    tracing::warn!(kind = error.kind().as_str(), "a stream of events ended");
                    return None;
                }
                Some(None) => return None,
                // The position has moved without an item, by events that were given before.
                None if subscription.has_history && subscription.position() != at => {
                    at = subscription.position();
                    nothing(at)
                }
                None => nothing(None),
            };
            Some((Ok(text), (subscription, at)))
        });
        Self(first.chain(rest).boxed())
    }
}

impl Stream for SseStream {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for SseStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseStream").finish_non_exhaustive()
    }
}

#[cfg(feature = "events-http")]
impl SseStream {
    /// A response with this body, `Content-Type: text/event-stream`, and headers against caching and buffering by proxies.
    pub fn into_response(self) -> http::Response<Self> {
        use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
        let mut response = http::Response::new(self);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Without it, nginx buffers the response.
        let buffering = HeaderName::from_static("x-accel-buffering");
        headers.insert(buffering, HeaderValue::from_static("no"));
        response
    }
}

#[cfg(feature = "events-http")]
impl http_body::Body for SseStream {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>>>> {
        let next = std::task::ready!(self.0.as_mut().poll_next(context));
        Poll::Ready(next.map(|bytes| bytes.map(http_body::Frame::data)))
    }
}

/// The frame of an event of a topic.
///
/// # Errors
/// [`ErrorKind::Codec`] if the payload cannot be written as JSON.
pub fn event<T: Serialize>(event: &Event<T>) -> Result<Bytes> {
    let data = serde_json::to_string(&event.data).map_err(|error| {
        Error::new(ErrorKind::Codec, "the event cannot be written as JSON").with_source(error)
    })?;
    Ok(frame(event.position, &safe_name(&event.name), &data))
}

/// The frame of a gap.
pub fn gap(gap: &Gap) -> Bytes {
    let missed = gap.missed.map_or("null".to_owned(), |missed| missed.to_string());
    let data = format!("{{\"reason\":\"{}\",\"missed\":{missed}}}", gap.reason.as_str());
    // Without a history there is no position, and the browser continues with live events.
    frame(gap.position, GAP_NAME, &data)
}

fn of_item<T: Serialize>(item: Item<T>) -> Bytes {
    let position = position_of(&item);
    let error = match item {
        Item::Event(of_topic) => match event(&of_topic) {
            Ok(text) => return text,
            Err(error) => error,
        },
        Item::Gap(of_topic) => return gap(&of_topic),
        Item::Unreadable(unreadable) => unreadable.error,
    };
    tracing::warn!(%error, "an event is not sent to a browser");
    // The position makes the browser skip it.
    nothing(position)
}

fn position_of<T>(item: &Item<T>) -> Option<Position> {
    match item {
        Item::Event(event) => event.position,
        Item::Gap(gap) => gap.position,
        Item::Unreadable(unreadable) => unreadable.position,
    }
}

/// A frame that a browser does not dispatch, but whose position it remembers.
fn nothing(position: Option<Position>) -> Bytes {
    position.map_or(Bytes::from_static(b":\n\n"), |position| format!("id: {position}\n\n").into())
}

/// The name without control characters; `message` in place of a reserved name.
fn safe_name(name: &str) -> String {
    let name: String = name.chars().filter(|character| !character.is_control()).collect();
    match &*name {
        "" | GAP_NAME | "error" | "open" => DEFAULT_NAME.to_owned(),
        _ => name,
    }
}

fn begin(retry: Duration, position: Option<Position>) -> Bytes {
    let mut text = format!("retry: {}\n", retry.as_millis());
    if let Some(position) = position {
        text += &format!("id: {position}\n");
    }
    text.push('\n');
    text.into()
}

/// A frame. The data cannot end a field; the name has no control characters.
fn frame(id: Option<Position>, name: &str, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + name.len() + 64);
    if let Some(id) = id {
        text += &format!("id: {id}\n");
    }
    if name != DEFAULT_NAME {
        text += "event: ";
        text += name;
        text.push('\n');
    }
    // A carriage return ends a line, too.
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        text += "data: ";
        text += line;
        text.push('\n');
    }
    text.push('\n');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::super::item::GapReason;
    use super::*;

    #[test]
    fn no_name_and_no_payload_forges_a_frame() {
        let position = Position { epoch: 1, offset: 2 };
        let name = safe_name("a\n\nid: 9-9\r");
        let forged = frame(Some(position), &name, "x\r\n\r\nid: 9-9\rdata: y\n");
        let text = String::from_utf8_lossy(&forged).into_owned();
        assert_eq!(
            text,
            "id: 1-2\nevent: aid: 9-9\ndata: x\ndata: \ndata: id: 9-9\ndata: data: y\ndata: \n\n"
        );
        for name in [GAP_NAME, "ga\u{1}p", "error", "open\n", "", "\u{0}", "message"] {
            let named = Event { position: None, id: String::new(), name: name.to_owned(), data: 1 };
            assert_eq!(event(&named).ok().as_deref(), Some(&b"data: 1\n\n"[..]), "{name:?}");
        }
    }

    #[test]
    fn an_event_that_cannot_be_written_moves_the_browser_on() {
        let data = std::collections::BTreeMap::from([(vec![1], 1)]);
        let position = Some(Position { epoch: 1, offset: 2 });
        let poison = Event { position, id: String::new(), name: "n".to_owned(), data };
        assert_eq!(of_item(Item::Event(poison)), "id: 1-2\n\n");
    }

    #[test]
    fn a_gap_is_an_event_of_its_own() {
        let position = Some(Position { epoch: 1, offset: 5 });
        let missing = Gap { reason: GapReason::Trimmed, missed: Some(3), position };
        assert_eq!(
            gap(&missing),
            "id: 1-5\nevent: gap\ndata: {\"reason\":\"trimmed\",\"missed\":3}\n\n"
        );
        let lost = Gap { reason: GapReason::HistoryLost, missed: None, position: None };
        assert_eq!(
            gap(&lost),
            "event: gap\ndata: {\"reason\":\"history-lost\",\"missed\":null}\n\n"
        );
    }
}
