//! The subscribers of channels and patterns, and the delivery of messages to them.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::StreamExt;

use super::glob;
use crate::Result;
use crate::command::Command;
use crate::platform::unix_micros;
use crate::transport::{Message, Messages, Subscription};

/// How many messages and bytes a subscriber may fall behind before it is disconnected. Redis limits its output buffers in the
/// same way (`client-output-buffer-limit pubsub 32mb`).
const BACKLOG: usize = 8192;
const BACKLOG_BYTES: usize = 32 * 1024 * 1024;

/// The sending side of a subscriber's queue.
#[derive(Clone)]
struct Listener {
    messages: mpsc::Sender<Result<Message>>,
    /// How many bytes are in the queue.
    waiting: Arc<AtomicUsize>,
}

impl Listener {
    fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    /// Puts a message into the queue. Returns whether the subscriber stays: one that has gone or is too slow does not.
    fn deliver(&mut self, message: Message) -> bool {
        let size = size(&message);
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed);
        let fits = waiting == 0 || waiting.saturating_add(size) <= BACKLOG_BYTES;
        let delivered = fits && self.messages.try_send(Ok(message)).is_ok();
        if !delivered {
            self.messages.close_channel();
        }
        delivered
    }
}

/// About how many bytes a message takes.
fn size(message: &Message) -> usize {
    const HEAD: usize = 128;
    HEAD + message.channel.len() + message.payload.len()
}

/// The subscribers of channels, by name.
#[derive(Default)]
pub(super) struct Channels(HashMap<Bytes, Vec<Listener>>);

impl Channels {
    fn subscribe(&mut self, channels: &[Bytes], listener: &Listener) {
        for channel in channels {
            self.0.entry(channel.clone()).or_default().push(listener.clone());
        }
    }

    fn sweep(&mut self) {
        self.0.retain(|_, those| {
            those.retain(|listener| !listener.is_closed());
            !those.is_empty()
        });
    }

    /// Delivers a message. Returns how many subscribers received it.
    fn publish(&mut self, message: &Message) -> usize {
        let Some(listeners) = self.0.get_mut(&message.channel) else { return 0 };
        listeners.retain_mut(|listener| listener.deliver(message.clone()));
        let count = listeners.len();
        if count == 0 {
            self.0.remove(&message.channel);
        }
        count
    }

    /// The channels that have subscribers.
    pub(super) fn names(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter(|(_, those)| alive(those) > 0).map(|(name, _)| name)
    }

    /// How many subscribers a channel has.
    pub(super) fn count(&self, channel: &[u8]) -> usize {
        self.0.get(channel).map_or(0, |those| alive(those))
    }
}

/// All subscribers.
#[derive(Default)]
pub(super) struct Listeners {
    channels: Channels,
    shard_channels: Channels,
    patterns: Vec<(Bytes, Listener)>,
    monitors: Vec<Listener>,
    since_sweep: usize,
    after_sweep: usize,
}

impl Listeners {
    pub(super) fn subscribe(&mut self, to: &Subscription) -> Messages {
        self.sweep();
        let (messages, receiver) = mpsc::channel(BACKLOG);
        let sender = Listener { messages, waiting: Arc::default() };
        let waiting = Arc::clone(&sender.waiting);
        match to {
            Subscription::Channels(channels) => self.channels.subscribe(channels, &sender),
            Subscription::ShardChannels(channels) => {
                self.shard_channels.subscribe(channels, &sender);
            }
            Subscription::Patterns(patterns) => {
                self.patterns
                    .extend(patterns.iter().map(|pattern| (pattern.clone(), sender.clone())));
            }
            Subscription::Monitor => self.monitors.push(sender),
        }
        Box::pin(receiver.inspect(move |taken| {
            if let Ok(message) = taken {
                waiting.fetch_sub(size(message), Ordering::Relaxed);
            }
        }))
    }

    /// Removes subscribers that have gone, each time their number may have doubled.
    fn sweep(&mut self) {
        self.since_sweep += 1;
        if self.since_sweep <= self.after_sweep {
            return;
        }
        self.channels.sweep();
        self.shard_channels.sweep();
        self.patterns.retain(|(_, listener)| !listener.is_closed());
        self.monitors.retain(|listener| !listener.is_closed());
        self.since_sweep = 0;
        let channels = self.channels.0.len() + self.shard_channels.0.len();
        self.after_sweep = channels + self.patterns.len() + self.monitors.len();
    }

    /// Publishes a message. Returns how many subscribers received it.
    pub(super) fn publish(&mut self, channel: &Bytes, payload: &Bytes) -> usize {
        let message = Message::new(channel.clone(), payload.clone());
        let mut count = self.channels.publish(&message);
        self.patterns.retain_mut(|(pattern, listener)| {
            if !glob::matches(pattern, channel) {
                return !listener.is_closed();
            }
            let delivered = listener.deliver(message.clone().matching(pattern.clone()));
            count += usize::from(delivered);
            delivered
        });
        count
    }

    /// Publishes a message to a shard channel. Returns how many subscribers received it.
    pub(super) fn publish_to_shard(&mut self, channel: Bytes, payload: Bytes) -> usize {
        self.shard_channels.publish(&Message::new(channel, payload))
    }

    /// Sends a command to the subscribers of MONITOR, in the form of Redis.
    pub(super) fn monitor(&mut self, command: &Command) {
        if self.monitors.is_empty() {
            return;
        }
        let now = unix_micros();
        let mut line = format!("{}.{:06} [0 embedded]", now / 1_000_000, now % 1_000_000);
        for word in std::iter::once(command.name().as_bytes()).chain(command.args()) {
            // Writing to a String cannot fail.
            let _ = write!(line, " \"{}\"", word.escape_ascii().to_string().replace("\\'", "'"));
        }
        let message = Message::new(Bytes::new(), line);
        self.monitors.retain_mut(|listener| listener.deliver(message.clone()));
    }

    /// The subscribers of channels, those of patterns excluded.
    pub(super) fn channels(&self) -> &Channels {
        &self.channels
    }

    pub(super) fn shard_channels(&self) -> &Channels {
        &self.shard_channels
    }

    /// How many different patterns have subscribers.
    pub(super) fn count_patterns(&self) -> usize {
        let those = self.patterns.iter().filter(|(_, listener)| !listener.is_closed());
        those.map(|(pattern, _)| pattern).collect::<HashSet<_>>().len()
    }
}

fn alive(those: &[Listener]) -> usize {
    those.iter().filter(|listener| !listener.is_closed()).count()
}
