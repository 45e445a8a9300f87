//! Subscriptions as streams of server-sent events.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use edgecask::transport::{Message, Subscription};
use edgecask::{Client, Error, Event, Subscriber};
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;

use crate::http::Body;
use crate::listen::told_to_stop;

/// A comment is sent when nothing else was for this long, so that both ends notice when the other has gone.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct State {
    subscriber: Subscriber,
    closing: watch::Receiver<bool>,
    /// What to send first.
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
                Ok(Event::Message(message)) => Some(frame_of(&message)),
                // The client is to see the gap: only a new request may go on.
                _ => None,
            },
            () = told_to_stop(&mut self.closing) => None,
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

fn frame_of(message: &Message) -> Bytes {
    match &message.pattern {
        Some(pattern) => frame(
            &[b"pmessage,", &pattern[..], b",", &message.channel, b",", &message.payload].concat(),
        ),
        None if message.channel.is_empty() => frame(&message.payload),
        None => frame(&[b"message,", &message.channel[..], b",", &message.payload].concat()),
    }
}

/// One event: a `data:` line for each line of the text, as the format wants it.
fn frame(content: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(content.len() + 8);
    for line in String::from_utf8_lossy(content).split('\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
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
        assert_eq!(frame_of(&message), "data: pmessage,news,*,news,1,x\n\n");
    }
}
