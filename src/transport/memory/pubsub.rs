use std::collections::HashMap;
use std::fmt::Write;

use bytes::Bytes;
use futures_channel::mpsc;

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

/// How many messages a subscriber may fall behind before it is cut off, as Redis does with its output buffers.
const BACKLOG: usize = 8192;

type Listener = mpsc::Sender<Result<Message>>;

/// Who listens to what.
#[derive(Default)]
pub(super) struct Listeners {
    channels: HashMap<Bytes, Vec<Listener>>,
    patterns: Vec<(Bytes, Listener)>,
    monitors: Vec<Listener>,
}

impl Listeners {
    pub(super) fn subscribe(&mut self, to: &Subscription) -> Messages {
        let (sender, receiver) = mpsc::channel(BACKLOG);
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
        Box::pin(receiver)
    }

    /// Tells how many got the message.
    fn publish(&mut self, channel: &Bytes, payload: &Bytes) -> usize {
        let message = Message::new(channel.clone(), payload.clone());
        let mut count = 0;
        if let Some(listeners) = self.channels.get_mut(channel) {
            listeners.retain_mut(|listener| deliver(listener, message.clone()));
            count += listeners.len();
            if listeners.is_empty() {
                self.channels.remove(channel);
            }
        }
        self.patterns.retain_mut(|(pattern, listener)| {
            if !glob::matches(pattern, channel) {
                return !listener.is_closed();
            }
            let delivered = deliver(listener, message.clone().matching(pattern.clone()));
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
        self.monitors.retain_mut(|listener| deliver(listener, message.clone()));
    }
}

/// Hands a message over. A listener that has gone, or fell too far behind, is to be forgotten.
fn deliver(listener: &mut Listener, message: Message) -> bool {
    let delivered = listener.try_send(Ok(message)).is_ok();
    if !delivered {
        listener.close_channel();
    }
    delivered
}

fn pubsub(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let listeners = &mut engine.listeners;
    listeners.channels.retain(|_, those| {
        those.retain(|listener| !listener.is_closed());
        !those.is_empty()
    });
    listeners.patterns.retain(|(_, listener)| !listener.is_closed());
    match (args.word(0).as_str(), args.len()) {
        ("CHANNELS", 1 | 2) => {
            let pattern = args.at(1).unwrap_or(b"*");
            let names = listeners.channels.keys().filter(|name| glob::matches(pattern, name));
            Ok(Value::Array(names.cloned().map(Value::Bulk).collect()))
        }
        ("NUMSUB", _) => {
            let count = |name| length(listeners.channels.get(name).map_or(0, Vec::len));
            let pairs =
                args.from(1).flat_map(|name| [Bytes::copy_from_slice(name).into(), count(name)]);
            Ok(Value::Array(pairs.collect()))
        }
        ("NUMPAT", 1) => {
            let mut patterns: Vec<_> = listeners.patterns.iter().map(|(name, _)| name).collect();
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
