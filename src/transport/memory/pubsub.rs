use std::collections::HashMap;

use bytes::Bytes;
use futures_channel::mpsc;

use super::engine::Handler;
use super::strings::length;
use crate::Result;
use crate::transport::{Message, Messages};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("PUBLISH", 3, |engine, args| {
    let (channel, payload) = (args.bytes(0)?, args.bytes(1)?);
    Ok(length(engine.channels.publish(&channel, &payload)))
})];

/// How many messages a subscriber may fall behind before it is cut off, as Redis does with its output buffers.
const BACKLOG: usize = 8192;

/// Who listens to which channel.
#[derive(Default)]
pub(super) struct Channels {
    listeners: HashMap<Bytes, Vec<mpsc::Sender<Result<Message>>>>,
}

impl Channels {
    pub(super) fn subscribe(&mut self, channels: &[Bytes]) -> Messages {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        for channel in channels {
            self.listeners.entry(channel.clone()).or_default().push(sender.clone());
        }
        Box::pin(receiver)
    }

    /// Tells how many got the message. Listeners that have gone, or fell too far behind, are forgotten.
    fn publish(&mut self, channel: &Bytes, payload: &Bytes) -> usize {
        let Some(listeners) = self.listeners.get_mut(channel) else {
            return 0;
        };
        listeners.retain_mut(|listener| {
            let message = Message::new(channel.clone(), payload.clone());
            let delivered = listener.try_send(Ok(message)).is_ok();
            if !delivered {
                listener.close_channel();
            }
            delivered
        });
        let count = listeners.len();
        if count == 0 {
            self.listeners.remove(channel);
        }
        count
    }
}
