use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_util::StreamExt;

use super::args::Args;
use super::engine::{Engine, Handler, wrong_arity};
use super::glob;
use super::strings::length;
use crate::command::Command;
use crate::platform::unix_micros;
use crate::transport::{Message, Messages, Subscription};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("PUBLISH", 3, |engine, args| {
        let (channel, payload) = (args.bytes(0)?, args.bytes(1)?);
        Ok(length(engine.listeners.publish(&channel, &payload)))
    }),
    Handler::new("PUBSUB", -2, pubsub),
];

/// How many messages a subscriber may fall behind before it is cut off, and how many bytes, as Redis does with its output
/// buffers (`client-output-buffer-limit pubsub 32mb`).
const BACKLOG: usize = 8192;
const BACKLOG_BYTES: usize = 32 * 1024 * 1024;

/// One subscriber's end of the line.
#[derive(Clone)]
struct Listener {
    messages: mpsc::Sender<Result<Message>>,
    /// How many bytes were sent and not yet taken.
    waiting: Arc<AtomicUsize>,
}

impl Listener {
    fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    /// Hands a message over. A listener that has gone, or fell too far behind, is to be forgotten.
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

/// About how many bytes a message holds.
fn size(message: &Message) -> usize {
    const HEAD: usize = 128;
    HEAD + message.channel.len() + message.payload.len()
}

/// Who listens to what.
#[derive(Default)]
pub(super) struct Listeners {
    channels: HashMap<Bytes, Vec<Listener>>,
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
            Subscription::Channels(channels) => {
                for channel in channels {
                    self.channels.entry(channel.clone()).or_default().push(sender.clone());
                }
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

    /// Forgets those who have gone, each time their number may have doubled.
    fn sweep(&mut self) {
        self.since_sweep += 1;
        if self.since_sweep <= self.after_sweep {
            return;
        }
        self.channels.retain(|_, those| {
            those.retain(|listener| !listener.is_closed());
            !those.is_empty()
        });
        self.patterns.retain(|(_, listener)| !listener.is_closed());
        self.monitors.retain(|listener| !listener.is_closed());
        self.since_sweep = 0;
        self.after_sweep = self.channels.len() + self.patterns.len() + self.monitors.len();
    }

    /// Tells how many got the message.
    fn publish(&mut self, channel: &Bytes, payload: &Bytes) -> usize {
        let message = Message::new(channel.clone(), payload.clone());
        let mut count = 0;
        if let Some(listeners) = self.channels.get_mut(channel) {
            listeners.retain_mut(|listener| listener.deliver(message.clone()));
            count += listeners.len();
            if listeners.is_empty() {
                self.channels.remove(channel);
            }
        }
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

    /// Shows a command to those who watch, in the form of Redis MONITOR.
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
}

fn pubsub(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let listeners = &mut engine.listeners;
    let alive = |those: &[Listener]| those.iter().filter(|listener| !listener.is_closed()).count();
    match (args.word(0).as_str(), args.len()) {
        ("CHANNELS", 1 | 2) => {
            let pattern = args.at(1).unwrap_or(b"*");
            let names = listeners
                .channels
                .iter()
                .filter(|(name, those)| glob::matches(pattern, name) && alive(those) > 0);
            Ok(Value::Array(names.map(|(name, _)| Value::Bulk(name.clone())).collect()))
        }
        ("NUMSUB", _) => {
            let count = |name| length(listeners.channels.get(name).map_or(0, |those| alive(those)));
            let pairs =
                args.from(1).flat_map(|name| [Bytes::copy_from_slice(name).into(), count(name)]);
            Ok(Value::Array(pairs.collect()))
        }
        ("NUMPAT", 1) => {
            let mut patterns: Vec<_> = listeners
                .patterns
                .iter()
                .filter(|(_, listener)| !listener.is_closed())
                .map(|(name, _)| name)
                .collect();
            patterns.sort_unstable();
            patterns.dedup();
            Ok(length(patterns.len()))
        }
        ("CHANNELS" | "NUMPAT", _) => Err(wrong_arity(&format!("pubsub|{}", args.word(0)))),
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try PUBSUB HELP.",
            unknown.escape_default()
        ))),
    }
}
