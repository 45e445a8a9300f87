//! Subscriptions as streams of server-sent events.
//!
//! An event is text without carriage returns, and its fields are joined by commas, which cannot be escaped. A PUBLISH of a
//! message that no event can carry is refused. If such a message is published in another way, by a script or over TCP, the
//! stream ends. So its client sees a gap and not a wrong message.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use edgecask::transport::{Message, Subscription};
use edgecask::{Client, Command, Error, Event, Subscriber};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;

use crate::body::Body;
use crate::closing::stopped;

/// After this time without an event a comment is sent, so that both ends notice when the other has gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct State {
    subscriber: Subscriber,
    closing: watch::Receiver<bool>,
    /// The events to send first.
    greetings: std::vec::IntoIter<Bytes>,
    left: usize,
}

/// The body of the answer. With `close_early` it ends after the first event.
pub(crate) async fn stream(
    client: &Client,
    to: Subscription,
    closing: watch::Receiver<bool>,
    close_early: bool,
) -> Result<Body, Error> {
    let greetings = greetings(&to);
    let subscriber = client.listen(to).await?;
    let state = State {
        subscriber,
        closing,
        greetings: greetings.into_iter(),
        left: if close_early { 1 } else { usize::MAX },
    };
    let frames = stream::unfold(state, |mut state| async move {
        let frame = state.next().await?;
        Some((Ok::<_, io::Error>(Frame::data(frame)), state))
    });
    Ok(StreamBody::new(frames.boxed()).boxed_unsync())
}

impl State {
    async fn next(&mut self) -> Option<Bytes> {
        self.left = self.left.checked_sub(1)?;
        if let Some(greeting) = self.greetings.next() {
            return Some(greeting);
        }
        tokio::select! {
            event = self.subscriber.next() => match event? {
                Ok(Event::Message(message)) => frame_of(&message),
                // The stream ends, so that the client sees the gap.
                _ => None,
            },
            () = stopped(&mut self.closing) => None,
            () = tokio::time::sleep(HEARTBEAT) => Some(Bytes::from_static(b":\n\n")),
        }
    }
}

fn greetings(to: &Subscription) -> Vec<Bytes> {
    let (word, names) = match to {
        Subscription::Channels(names) => ("subscribe", names),
        Subscription::Patterns(names) => ("psubscribe", names),
        _ => return vec![frame(b"\"OK\"")],
    };
    let numbered = names.iter().zip(1..);
    let greeting = |(name, count): (&Bytes, u32)| {
        frame(&[word.as_bytes(), b",", name, b",", count.to_string().as_bytes()].concat())
    };
    numbered.map(greeting).collect()
}

/// The error text if a message cannot be published through this server.
pub(crate) fn refuse_to_publish(command: &Command) -> Option<String> {
    let publishes = matches!(command.name(), "PUBLISH" | "SPUBLISH");
    (publishes && !command.args().all(is_carried)).then(|| {
        "ERR server-sent events carry UTF-8 text without carriage returns: encode the channel and the message, as base64 \
         or JSON".to_owned()
    })
}

fn is_carried(text: &[u8]) -> bool {
    !text.contains(&b'\r') && std::str::from_utf8(text).is_ok()
}

/// A message as an event; `None` if an event cannot carry it.
fn frame_of(message: &Message) -> Option<Bytes> {
    let Message { channel, pattern, payload, .. } = message;
    let event = match pattern {
        Some(pattern) => {
            // A client finds the end of the channel at the first comma after the literal beginning of the pattern.
            let literal = pattern.iter().take_while(|byte| !b"*?[\\".contains(byte)).count();
            if channel.iter().skip(literal).any(|byte| *byte == b',') {
                return None;
            }
            [b"pmessage,", &pattern[..], b",", channel, b",", payload].concat()
        }
        // A line of MONITOR.
        None if channel.is_empty() => payload.to_vec(),
        None => [b"message,", &channel[..], b",", payload].concat(),
    };
    is_carried(&event).then(|| frame(&event))
}

/// One event. The format has a `data:` line for each line of the text.
fn frame(content: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(content.len() + 8);
    for line in content.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_line_of_data() {
        assert_eq!(frame(b"message,c,a\n\nb"), "data: message,c,a\ndata: \ndata: b\n\n");
        let message = Message::new("news,1", "x").matching("news,*");
        assert_eq!(frame_of(&message), Some("data: pmessage,news,*,news,1,x\n\n".into()));
    }

    #[test]
    fn a_message_that_no_event_carries_is_none() {
        for message in [
            Message::new("c", "a\rdata: message,c,forged"),
            Message::new("c", &b"\xff"[..]),
            Message::new("a,b", "x").matching("*"),
        ] {
            assert_eq!(frame_of(&message), None);
        }
        let publish = |payload: &[u8]| Command::new("PUBLISH").arg("c").arg(payload);
        assert!(refuse_to_publish(&publish(b"a\r\nb")).is_some());
        assert!(refuse_to_publish(&publish(b"\xff")).is_some());
        assert!(refuse_to_publish(&publish("a\nü".as_bytes())).is_none());
    }
}
