//! Subscriptions: each has a connection of its own.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::link::{Link, unreadable};
use super::resp::{Batch, Reply, Unreadable};
use crate::command::Command;
use crate::transport::{Message, Messages, Subscription};
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// Subscribes at a server. From then on, messages stay with the server and in the socket until they are read.
pub(super) async fn subscribe_at(
    dialer: &Dialer,
    endpoint: &Endpoint,
    to: &Subscription,
) -> Result<Messages> {
    let mut batch = Batch::default();
    let confirmations = match to {
        Subscription::Monitor => return monitor(dialer, endpoint).await,
        Subscription::Channels(names) => {
            batch.push(&Command::new("SUBSCRIBE").args_from(names));
            names.len()
        }
        Subscription::Patterns(names) => {
            batch.push(&Command::new("PSUBSCRIBE").args_from(names));
            names.len()
        }
        Subscription::ShardChannels(names) => {
            // One command may name channels of one slot alone.
            names.iter().for_each(|name| batch.push(&Command::new("SSUBSCRIBE").arg(name)));
            names.len()
        }
    };
    let mut link = dialer.open(endpoint).await?;
    let early =
        dialer.in_time(confirmed(&mut link, &batch, confirmations, dialer.max_reply_bytes)).await?;
    let listening = Some((link, early));
    let messages = stream::unfold(listening, async |listening| {
        let (mut link, mut early) = listening?;
        loop {
            let received = match early.pop_front() {
                Some(received) => received,
                None => match link.reply().await {
                    Ok(reply) => Received::of(reply),
                    Err(error) if error.kind() == ErrorKind::Disconnected => return None,
                    Err(error) => return Some((Err(error), None)),
                },
            };
            match received {
                Received::Message(message) => return Some((message, Some((link, early)))),
                Received::Moved => {
                    let message = "the slot of a shard channel has moved to another server";
                    return Some((Err(Error::new(ErrorKind::Disconnected, message)), None));
                }
                Received::Refused(error) => return Some((Err(error), None)),
                Received::Confirmation | Received::Other => {}
            }
        }
    });
    Ok(messages.boxed())
}

/// Subscribes, and waits for this many confirmations. Returns the messages that came before the last of them, which may have so
/// many bytes.
async fn confirmed(
    link: &mut Link,
    batch: &Batch,
    count: usize,
    most_bytes: usize,
) -> Result<VecDeque<Received>> {
    link.write(batch).await?;
    let mut early = VecDeque::new();
    let (mut confirmed, mut bytes) = (0, 0);
    while confirmed < count {
        match Received::of(link.reply().await?) {
            Received::Confirmation => confirmed += 1,
            Received::Refused(error) => return Err(error),
            Received::Message(Ok(message)) => {
                bytes += message.channel.len() + message.payload.len();
                if bytes > most_bytes {
                    return Err(unreadable(Unreadable::TooLarge));
                }
                early.push_back(Received::Message(Ok(message)));
            }
            Received::Message(Err(error)) => return Err(error),
            Received::Moved => early.push_back(Received::Moved),
            Received::Other => {}
        }
    }
    Ok(early)
}

/// Something received on the connection of a subscription.
enum Received {
    Message(Result<Message>),
    Confirmation,
    /// The server has unsubscribed the connection from a shard channel.
    Moved,
    Refused(Error),
    Other,
}

impl Received {
    fn of(reply: Reply) -> Self {
        let items = match reply {
            Reply::Value(Value::Array(items) | Value::Push(items)) => items,
            Reply::Error(error) => return Self::Refused(error),
            Reply::Value(_) => return Self::Other,
        };
        let mut items = items.into_iter();
        let kind = items.next().unwrap_or_default();
        let mut text = || Bytes::from_value(items.next().unwrap_or_default());
        let mut message = || Ok(Message::new(text()?, text()?));
        match kind.as_bytes().unwrap_or_default() {
            b"message" | b"smessage" => Self::Message(message()),
            b"pmessage" => Self::Message(
                text().and_then(|pattern| Ok(Message::new(text()?, text()?).matching(pattern))),
            ),
            b"subscribe" | b"psubscribe" | b"ssubscribe" => Self::Confirmation,
            b"sunsubscribe" => Self::Moved,
            _ => Self::Other,
        }
    }
}

/// Every command that the server carries out, as a line of text.
async fn monitor(dialer: &Dialer, endpoint: &Endpoint) -> Result<Messages> {
    let mut link = dialer.open(endpoint).await?;
    let monitor = Batch::of([&Command::new("MONITOR")].into_iter());
    let first = dialer.in_time(async {
        link.write(&monitor).await?;
        link.reply().await
    });
    first.await?.into_result()?;
    let lines = stream::unfold(Some(link), async |link| {
        let mut link = link?;
        let line = match link.reply().await {
            Ok(reply) => reply.into_result().and_then(Bytes::from_value),
            Err(error) if error.kind() == ErrorKind::Disconnected => return None,
            Err(error) => return Some((Err(error), None)),
        };
        Some((line.map(|line| Message::new(Bytes::new(), line)), Some(link)))
    });
    Ok(lines.boxed())
}
