//! Subscriptions over server-sent events. Each channel or pattern has one request that stays open.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{self, BoxStream, StreamExt};
use percent_encoding::{AsciiSet, percent_encode};

use super::decode::{Decoder, Strings};
use super::encode::{SEGMENT, fits_path};
use super::http_client::{HttpResponse, HttpStream};
use super::limits::Limits;
use crate::platform;
use crate::transport::{Message, Messages, Subscription};
use crate::{Error, ErrorKind, Result};

/// The characters that are not encoded in the name of a channel: RFC 3986 allows them in a segment, and no server
/// reads them in another way. A server that does not decode the path listens to the right channel then.
const NAME: &AsciiSet =
    &SEGMENT.remove(b':').remove(b'*').remove(b',').remove(b'@').remove(b'!').remove(b'$');

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
        // Events are lines of text (HTML Living Standard, "Server-sent events"), so a server cannot name other channels.
        if name.contains(&b'\r') || std::str::from_utf8(name).is_err() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "over REST, messages come as text, and so do the names of channels and patterns: a name must be UTF-8 \
                 without carriage returns. Encode its bytes as text (base64), or use TCP",
            ));
        }
        if !fits_path(name) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "over REST, a channel or a pattern goes by a URL, and a URL does not carry the names \".\", \"..\" and \"\": \
                 take another name, or use TCP",
            ));
        }
        Ok([endpoint, &percent_encode(name, NAME).to_string()].concat())
    }

    /// The message of an event, if the event is one. Fields are joined by commas, and names may contain commas. So the end of a
    /// name is found by the name or pattern of the subscription.
    fn message(&self, event: &[u8]) -> Option<Message> {
        match self {
            Self::Channel(name) => {
                let rest = event.strip_prefix(b"message,")?.strip_prefix(&name[..])?;
                let payload = rest.strip_prefix(b",")?;
                Some(Message::new(name.clone(), Bytes::copy_from_slice(payload)))
            }
            Self::Pattern(pattern) => {
                let rest = event.strip_prefix(b"pmessage,")?;
                let rest = rest.strip_prefix(&pattern[..])?.strip_prefix(b",")?;
                // The channel begins with the part of the pattern before its first wildcard.
                let literal = pattern.iter().take_while(|byte| !b"*?[\\".contains(byte)).count();
                let comma = rest.iter().skip(literal).position(|byte| *byte == b',')?;
                let (channel, payload) = rest.split_at(literal + comma);
                let copy = Bytes::copy_from_slice;
                Some(Message::new(copy(channel), copy(&payload[1..])).matching(pattern.clone()))
            }
            Self::Monitor => {
                (event != b"\"OK\"").then(|| Message::new(Bytes::new(), event.to_owned()))
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
            let body = alive(answer.await?.body, idle_timeout);
            listening(topic, body, most).await
        }
    });
    Ok(stream::select_all(try_join_all(opened).await?).boxed())
}

/// How long the event that confirms a subscription is awaited. Some servers send none. The stream is open by then, so no message
/// is lost.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// Waits for the first event, which confirms the subscription.
async fn listening(
    topic: Topic,
    body: BoxStream<'static, Result<Bytes>>,
    most: usize,
) -> Result<BoxStream<'static, Result<Message>>> {
    let mut events = events(topic.clone(), body, most);
    let first = match platform::timeout(CONFIRMATION, events.next()).await {
        Some(Some(Err(error))) => return Err(error),
        Some(Some(Ok(event))) => topic.message(&event),
        Some(None) | None => None,
    };
    let rest = events.filter_map(move |event| {
        let message = event.map(|event| topic.message(&event)).transpose();
        std::future::ready(message)
    });
    Ok(stream::iter(first).map(Ok).chain(rest).boxed())
}

/// How long the empty line after the first event is awaited. Some servers send none.
const EMPTY_LINE: Duration = Duration::from_millis(500);

/// The data of the events of a body. The last item is an error.
fn events(
    topic: Topic,
    body: BoxStream<'static, Result<Bytes>>,
    most: usize,
) -> BoxStream<'static, Result<Vec<u8>>> {
    let batches =
        stream::unfold((Some(body), Reader::new(topic, most)), |(body, mut reader)| async move {
            let mut body = body?;
            let mut found = Vec::new();
            let next = match reader.is_undecided() {
                true => platform::timeout(EMPTY_LINE, body.next()).await,
                false => Some(body.next().await),
            };
            let Some(next) = next else {
                let batch: Vec<_> = reader.end_event_at_line().into_iter().map(Ok).collect();
                return Some((stream::iter(batch), (Some(body), reader)));
            };
            let ended = match next {
                Some(Ok(piece)) => reader.take(&piece, &mut found).err(),
                Some(Err(error)) => Some(error),
                None => Some(reader.end()),
            };
            let batch = found.into_iter().map(Ok).chain(ended.clone().map(Err));
            let batch: Vec<Result<Vec<u8>>> = batch.collect();
            Some((stream::iter(batch), (ended.is_none().then_some(body), reader)))
        });
    batches.flatten().boxed()
}

/// Reads events line by line, and leaves bytes that are not UTF-8 as they are.
struct Reader {
    topic: Topic,
    /// The most bytes that a line or an event may have.
    most: usize,
    /// The current line so far.
    line: Vec<u8>,
    /// Whether the last byte was `\r`. A `\n` that follows belongs to the same line break.
    after_return: bool,
    /// The data of the current event so far.
    data: Option<Vec<u8>>,
    /// The bytes of the lines of the current event. Comments do not count, because they are not stored.
    event: usize,
    /// Whether a line came.
    begun: bool,
    ends: Ends,
}

/// How events end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Not known before the first event.
    Unknown,
    /// With an empty line, as the standard says.
    AtEmptyLine,
    /// With their only line.
    AtLine,
}

impl Reader {
    fn new(topic: Topic, most: usize) -> Self {
        Self {
            topic,
            most,
            line: Vec::new(),
            after_return: false,
            data: None,
            event: 0,
            begun: false,
            ends: Ends::Unknown,
        }
    }

    /// Adds a piece of the body, and appends the data of the events that are complete with it.
    fn take(&mut self, piece: &[u8], found: &mut Vec<Vec<u8>>) -> Result<()> {
        for line in piece.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            if std::mem::replace(&mut self.after_return, line.ends_with(b"\r")) && line == b"\n" {
                continue;
            }
            let (content, ends) = match line.split_last() {
                Some((b'\n' | b'\r', content)) => (content, true),
                _ => (line, false),
            };
            self.line.extend_from_slice(content);
            let before = if self.line.first() == Some(&b':') { 0 } else { self.event };
            if before + self.line.len() > self.most {
                let most = self.most;
                return Err(Error::new(
                    ErrorKind::Protocol,
                    format!(
                        "an event has more than {most} bytes: publish less at a time, or raise RestOptions::max_event_bytes"
                    ),
                ));
            }
            if ends {
                let line = std::mem::take(&mut self.line);
                if !self.begun && line.first() == Some(&b'{') {
                    return Err(self.refusal(line));
                }
                self.begun = true;
                self.whole_line(line, found);
            }
        }
        Ok(())
    }

    /// Whether a message came whose end only the next line would show.
    fn is_undecided(&self) -> bool {
        self.ends == Ends::Unknown
            && self.line.is_empty()
            && self.data.as_ref().is_some_and(|data| self.topic.message(data).is_some())
    }

    /// Assumes that events end with their line, and returns the event that did.
    fn end_event_at_line(&mut self) -> Option<Vec<u8>> {
        self.ends = Ends::AtLine;
        self.event = 0;
        self.data.take()
    }

    fn whole_line(&mut self, mut line: Vec<u8>, found: &mut Vec<Vec<u8>>) {
        if line.is_empty() {
            if self.event > 0 && self.ends == Ends::Unknown {
                self.ends = Ends::AtEmptyLine;
            }
            self.event = 0;
            found.extend(self.data.take());
            return;
        }
        if line[0] == b':' {
            return;
        }
        let is_first = self.event == 0;
        self.event += line.len();
        if !line.starts_with(b"data") {
            return;
        }
        let start = match &line[4..] {
            [b':', b' ', ..] => 6,
            [b':', ..] => 5,
            [] => 4,
            _ => return,
        };
        line.drain(..start);
        if self.ends == Ends::Unknown && !is_first && self.topic.message(&line).is_some() {
            self.ends = Ends::AtLine;
            found.extend(self.data.take());
        }
        // A confirmation is complete with its line, however events end.
        let confirms =
            [&b"subscribe,"[..], b"psubscribe,"].iter().any(|word| line.starts_with(word));
        match self.ends {
            Ends::AtLine => {
                self.event = 0;
                found.push(line);
            }
            Ends::Unknown if is_first && confirms => found.push(line),
            _ => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(&line);
                }
                None => self.data = Some(line),
            },
        }
    }

    /// The error at the end of the body.
    fn end(&mut self) -> Error {
        let line = std::mem::take(&mut self.line);
        if !self.begun && line.first() == Some(&b'{') {
            return self.refusal(line);
        }
        Error::new(ErrorKind::Disconnected, "the stream of events ended: the server closed it")
    }

    /// The error of an answer that is JSON, although its status is that of success.
    fn refusal(&self, json: Vec<u8>) -> Error {
        let response = HttpResponse::new(200, |_| None, json);
        let refused = Decoder::new(Strings::Plain, "", Limits::default()).single(&response).err();
        let refused = refused.unwrap_or_else(|| {
            Error::new(ErrorKind::Protocol, "the answer is not a stream of events")
        });
        refused.redacted(self.topic.name().map(|name| &name[..]))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_known_by_their_subscription() {
        let topic = Topic::Channel("a,b".into());
        let message = topic.message(b"message,a,b,x,y\nz");
        assert_eq!(message, Some(Message::new("a,b", "x,y\nz")));
        assert_eq!(topic.message(b"subscribe,a,b,1"), None);
        assert_eq!(topic.message(b"message,other,x"), None);
        let topic = Topic::Pattern("n,*".into());
        let message = topic.message(b"pmessage,n,*,n,today,x,y");
        assert_eq!(message, Some(Message::new("n,today", "x,y").matching("n,*")));
        assert_eq!(Topic::Monitor.message(b"\"OK\""), None);
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
            let mut reader = Reader::new(Topic::Channel("c".into()), 10);
            pieces.iter().all(|piece| reader.take(piece.as_bytes(), &mut Vec::new()).is_ok())
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

    fn read(pieces: &[&[u8]]) -> (Vec<String>, String) {
        let mut reader = Reader::new(Topic::Channel("c".into()), 1000);
        let mut found = Vec::new();
        let broken = pieces.iter().find_map(|piece| reader.take(piece, &mut found).err());
        let end = broken.unwrap_or_else(|| reader.end());
        let shown = |event: Vec<u8>| event.escape_ascii().to_string();
        (found.into_iter().map(shown).collect(), end.message().to_owned())
    }

    #[test]
    fn events_end_at_an_empty_line_or_at_each_line() {
        let all = |pieces: &[&[u8]]| read(pieces).0;
        let standard =
            b"data: subscribe,c,1\n\n:\n\nid: 1\ndata:message,c,a\ndata: message,c,b\n\n";
        let expected = ["subscribe,c,1", r"message,c,a\nmessage,c,b"];
        assert_eq!(all(&[standard]), expected);
        let bytes: Vec<&[u8]> = standard.chunks(1).collect();
        assert_eq!(all(&bytes), expected);
        let lines = b"data: subscribe,c,1\ndata: message,c,a\ndata: message,c,b\n";
        assert_eq!(all(&[lines]), ["subscribe,c,1", "message,c,a", "message,c,b"]);
        assert_eq!(all(&[b"data: subscribe,c,1\n"]), ["subscribe,c,1"], "it is confirmed at once");
        assert_eq!(all(&[b"data: message,c,\xff\r\n\r\ndata: cut"]), [r"message,c,\xff"]);
    }

    #[test]
    fn an_answer_in_json_is_an_error() {
        for json in [&br#"{"error":"ERR turned off"}"#[..], b"{\"error\":\"ERR turned off\"}\n\n"] {
            assert_eq!(read(&[json]), (Vec::new(), "ERR turned off".to_owned()));
        }
    }
}
