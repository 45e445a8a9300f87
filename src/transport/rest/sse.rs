//! Subscriptions over server-sent events. Each channel or pattern has one request that stays open.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{self, BoxStream, StreamExt};
use percent_encoding::percent_encode;
use sse_stream::SseByteStream;

use super::encode::{SEGMENT, fits_path};
use super::http_client::HttpStream;
use crate::platform;
use crate::transport::{Message, Messages, Subscription};
use crate::{Error, ErrorKind, Result};

/// One channel, one pattern, or everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topic {
    Channel(Bytes),
    Pattern(Bytes),
    Monitor,
}

impl Topic {
    pub(super) fn all(to: &Subscription) -> Result<Vec<Self>> {
        Ok(match to {
            Subscription::Channels(names) => names.iter().cloned().map(Self::Channel).collect(),
            Subscription::Patterns(names) => names.iter().cloned().map(Self::Pattern).collect(),
            Subscription::Monitor => vec![Self::Monitor],
            Subscription::ShardChannels(_) => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "the REST API has no subscription to shard channels: use subscribe(), or TCP",
                ));
            }
        })
    }

    pub(super) fn name(&self) -> Option<&Bytes> {
        match self {
            Self::Channel(name) | Self::Pattern(name) => Some(name),
            Self::Monitor => None,
        }
    }

    pub(super) fn path(&self) -> Result<String> {
        let (endpoint, name) = match self {
            Self::Channel(name) => ("/subscribe/", name),
            Self::Pattern(name) => ("/psubscribe/", name),
            Self::Monitor => return Ok("/monitor".to_owned()),
        };
        if !fits_path(name) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "over REST, a channel or a pattern goes by a URL, and a URL does not carry the names \".\", \"..\" and \"\": \
                 take another name, or use TCP",
            ));
        }
        Ok([endpoint, &percent_encode(name, SEGMENT).to_string()].concat())
    }

    /// The message of an event, if the event is one. Fields are joined by commas, and names may contain commas. So the end of a
    /// name is found by the name or pattern of the subscription.
    fn message(&self, event: &str) -> Option<Message> {
        match self {
            Self::Channel(name) => {
                let rest = event.as_bytes().strip_prefix(b"message,")?.strip_prefix(&name[..])?;
                let payload = rest.strip_prefix(b",")?;
                Some(Message::new(name.clone(), Bytes::copy_from_slice(payload)))
            }
            Self::Pattern(pattern) => {
                let rest = event.as_bytes().strip_prefix(b"pmessage,")?;
                let rest = rest.strip_prefix(&pattern[..])?.strip_prefix(b",")?;
                // The channel begins with the part of the pattern before its first wildcard.
                let literal = pattern.iter().take_while(|byte| !b"*?[\\".contains(byte)).count();
                let comma = rest.iter().skip(literal).position(|byte| *byte == b',')?;
                let (channel, payload) = rest.split_at(literal + comma);
                let copy = Bytes::copy_from_slice;
                Some(Message::new(copy(channel), copy(&payload[1..])).matching(pattern.clone()))
            }
            Self::Monitor => {
                (event != "\"OK\"").then(|| Message::new(Bytes::new(), event.to_owned()))
            }
        }
    }
}

/// The messages of all topics. The stream ends when one of them ends, so that the subscriber shows the gap.
pub(super) async fn messages<F>(
    topics: Vec<Topic>,
    idle_timeout: Option<Duration>,
    most: usize,
    open: impl Fn(Topic) -> F,
) -> Result<Messages>
where
    F: Future<Output = Result<HttpStream>>,
{
    let opened = topics.into_iter().map(|topic| {
        let answer = open(topic.clone());
        async move {
            let body = bounded(answer.await?.body, most);
            listening(topic, alive(body, idle_timeout)).await
        }
    });
    Ok(stream::select_all(try_join_all(opened).await?).boxed())
}

/// Waits for the first event, which confirms the subscription.
async fn listening(
    topic: Topic,
    body: BoxStream<'static, Result<Bytes>>,
) -> Result<BoxStream<'static, Result<Message>>> {
    let mut events = SseByteStream::new(body).boxed();
    let broken_off =
        || Error::new(ErrorKind::Disconnected, "the stream of events ended: the server closed it");
    let first = match events.next().await {
        Some(first) => first.map_err(lost)?,
        None => return Err(broken_off()),
    };
    let first = first.data.as_deref().and_then(|data| topic.message(data)).map(Ok);
    let rest = events.filter_map(move |event| {
        let message = match event {
            Ok(event) => event.data.as_deref().and_then(|data| topic.message(data)).map(Ok),
            Err(error) => Some(Err(lost(error))),
        };
        std::future::ready(message)
    });
    let end = stream::once(async move { Err(broken_off()) });
    Ok(stream::iter(first).chain(rest).chain(end).boxed())
}

/// The size of the current event so far.
#[derive(Default)]
struct Open {
    /// The bytes of its lines. Comments do not count, because they are not stored.
    event: usize,
    /// The bytes of the current line.
    line: usize,
    is_comment: bool,
    /// Whether the last byte was `\r`. A `\n` that follows belongs to the same line break.
    after_return: bool,
}

impl Open {
    /// Adds a piece. Returns `false` if a line or an event is longer than `most`.
    fn take(&mut self, piece: &[u8], most: usize) -> bool {
        for line in piece.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            if std::mem::replace(&mut self.after_return, line.ends_with(b"\r")) && line == b"\n" {
                continue;
            }
            let (content, ends) = match line.split_last() {
                Some((b'\n' | b'\r', content)) => (content, true),
                _ => (line, false),
            };
            if self.line == 0 {
                self.is_comment = content.first() == Some(&b':');
            }
            self.line += content.len();
            if !self.is_comment {
                self.event += content.len();
            }
            if self.line.max(self.event) > most {
                return false;
            }
            if ends {
                if self.line == 0 {
                    // An empty line ends the event.
                    self.event = 0;
                }
                self.line = 0;
            }
        }
        true
    }
}

/// The pieces of a body, with an error if an event is longer than `most` bytes.
fn bounded(
    body: BoxStream<'static, Result<Bytes>>,
    most: usize,
) -> BoxStream<'static, Result<Bytes>> {
    let pieces = stream::unfold(
        (Some(body), Open::default()),
        move |(body, mut open)| async move {
            let mut body = body?;
            match body.next().await? {
                Ok(piece) if !open.take(&piece, most) => {
                    let message = format!(
                        "an event has more than {most} bytes: publish less at a time, or raise RestOptions::max_event_bytes"
                    );
                    Some((Err(Error::new(ErrorKind::Protocol, message)), (None, open)))
                }
                piece => Some((piece, (Some(body), open))),
            }
        },
    );
    pieces.boxed()
}

/// The pieces of a body, with an error if it is silent for too long.
fn alive(
    body: BoxStream<'static, Result<Bytes>>,
    idle_timeout: Option<Duration>,
) -> BoxStream<'static, Result<Bytes>> {
    let Some(limit) = idle_timeout else { return body };
    let pieces = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match platform::timeout(limit, body.next()).await {
            Some(piece) => Some((piece?, Some(body))),
            None => {
                let silent = format!("the stream of events was silent for {limit:?}");
                Some((Err(Error::new(ErrorKind::Timeout, silent)), None))
            }
        }
    });
    pieces.boxed()
}

fn lost(error: sse_stream::Error) -> Error {
    match error {
        sse_stream::Error::Body(cause) => Error::store(cause),
        _ => Error::new(ErrorKind::Protocol, "the stream of events is not text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_known_by_their_subscription() {
        let topic = Topic::Channel("a,b".into());
        let message = topic.message("message,a,b,x,y\nz");
        assert_eq!(message, Some(Message::new("a,b", "x,y\nz")));
        assert_eq!(topic.message("subscribe,a,b,1"), None);
        assert_eq!(topic.message("message,other,x"), None);
        let topic = Topic::Pattern("n,*".into());
        let message = topic.message("pmessage,n,*,n,today,x,y");
        assert_eq!(message, Some(Message::new("n,today", "x,y").matching("n,*")));
        assert_eq!(Topic::Monitor.message("\"OK\""), None);
        let path = Topic::Channel("a/b ?".into()).path();
        assert_eq!(path.ok().as_deref(), Some("/subscribe/a%2Fb%20%3F"));
    }

    #[test]
    fn a_name_that_a_url_parser_would_change_is_refused() {
        for name in ["", ".", ".."] {
            for topic in [Topic::Channel(name.into()), Topic::Pattern(name.into())] {
                let error = topic.path().err().map(|error| error.kind());
                assert_eq!(error, Some(ErrorKind::Unsupported), "{topic:?}");
            }
        }
    }

    #[test]
    fn lines_and_events_have_a_limit() {
        let fits = |pieces: &[&str]| {
            let mut open = Open::default();
            pieces.iter().all(|piece| open.take(piece.as_bytes(), 10))
        };
        for end in ["\n", "\r", "\r\n"] {
            let line = format!("data:67890{end}");
            assert!(fits(&[&line, end, &line, end]), "{end:?}");
            assert!(!fits(&[&line, &line]), "an event of many lines, {end:?}");
            assert!(fits(&[":567890", "\n", &line]), "comments are not kept, {end:?}");
        }
        assert!(fits(&["data:67890\r", "\n\r\n", "data:67890"]));
        assert!(!fits(&["data:67890\r", "\n", "data:67890"]));
        assert!(!fits(&["data:6789", "01"]), "a line without end");
        assert!(!fits(&[":", "234567890", "1"]), "a comment without end");
    }
}
