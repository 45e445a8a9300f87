//! Subscriptions: each has a connection of its own.

use futures_util::{StreamExt, stream};
use redis::ConnectionInfo;
use redis::aio::PubSub;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::convert::error_from;
use super::dial::Dialer;
use super::wire::Wire;
use crate::transport::{Message, Messages, Subscription};
use crate::{Error, ErrorKind, Result};

/// Subscribes at a server.
pub(super) async fn subscribe_at(
    dialer: &Dialer,
    info: &ConnectionInfo,
    to: &Subscription,
) -> Result<Messages> {
    match to {
        Subscription::Monitor => monitor(dialer, info).await,
        Subscription::Channels(names) => {
            let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
            let set_up = async |pubsub: &mut PubSub| pubsub.subscribe(&names).await;
            dialer.subscribed(info, names.len(), set_up).await
        }
        Subscription::ShardChannels(names) => dialer.subscribed_to_shards(info, names).await,
        Subscription::Patterns(names) => {
            let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
            let set_up = async |pubsub: &mut PubSub| pubsub.psubscribe(&names).await;
            dialer.subscribed(info, names.len(), set_up).await
        }
    }
}

/// Every command that the server carries out, as a line of text.
async fn monitor(dialer: &Dialer, info: &ConnectionInfo) -> Result<Messages> {
    let mut wire = BufReader::new(dialer.in_time(dialer.open(info)).await?);
    wire.get_mut().monitor();
    let first = dialer.in_time(async {
        let monitor = redis::cmd("MONITOR").get_packed_command();
        wire.write_all(&monitor).await.map_err(|error| error_from(error.into()))?;
        next_line(&mut wire).await
    });
    match first.await? {
        Some(line) if line.starts_with(b"-") => {
            return Err(Error::server(&String::from_utf8_lossy(&line[1..])));
        }
        Some(_) => {}
        None => return Err(Error::new(ErrorKind::Disconnected, "the connection was closed")),
    }
    let lines = stream::unfold(Some(wire), async |wire| {
        let mut wire = wire?;
        match next_line(&mut wire).await {
            Ok(line) => {
                let line = bytes::Bytes::from(line?).slice(1..);
                Some((Ok(Message::new(bytes::Bytes::new(), line)), Some(wire)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(lines.boxed())
}

/// The next line with its type byte and without its line break; `None` at the end. The stream limits its length.
async fn next_line(wire: &mut BufReader<Wire>) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    wire.read_until(b'\n', &mut line).await.map_err(|error| error_from(error.into()))?;
    if !line.ends_with(b"\r\n") {
        return Ok(None);
    }
    line.truncate(line.len() - 2);
    if line.is_empty() {
        return Err(Error::new(ErrorKind::Protocol, "a reply without a type"));
    }
    Ok(Some(line))
}
