//! The limits of Upstash's plans: the size of requests, records and keys, and the number of commands a day.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use edgecask::{Command, Error, ErrorKind, Value, platform};

/// The limits of a server. Where Upstash documents one, the default is that of its free plan, but without a daily quota.
///
/// | setting | default |
/// |---|---|
/// | [`request_bytes`](Self::request_bytes) | 10 MB |
/// | [`record_bytes`](Self::record_bytes) | 100 MB |
/// | [`key_bytes`](Self::key_bytes) | 32 KB |
/// | [`daily_commands`](Self::daily_commands) | none |
/// | [`reply_bytes`](Self::reply_bytes) | 128 MB |
/// | [`batch_commands`](Self::batch_commands) | 100 000 |
/// | [`connections`](Self::connections) | 1 000 |
/// | [`idle_time`](Self::idle_time) | 60 s |
/// | [`body_time`](Self::body_time) | 30 s |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    pub(crate) request_bytes: usize,
    record_bytes: usize,
    key_bytes: usize,
    daily_commands: Option<u64>,
    reply_bytes: usize,
    pub(crate) batch_commands: usize,
    pub(crate) connections: usize,
    pub(crate) idle_time: Duration,
    pub(crate) body_time: Duration,
}

impl Limits {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            request_bytes: 10 * 1024 * 1024,
            record_bytes: 100 * 1024 * 1024,
            key_bytes: 32 * 1024,
            daily_commands: None,
            reply_bytes: 128 * 1024 * 1024,
            batch_commands: 100_000,
            connections: 1000,
            idle_time: Duration::from_secs(60),
            body_time: Duration::from_secs(30),
        }
    }

    /// The most bytes that the body of a request may have.
    #[must_use]
    pub fn request_bytes(mut self, bytes: usize) -> Self {
        self.request_bytes = bytes;
        self
    }

    /// The most bytes that one argument may have.
    #[must_use]
    pub fn record_bytes(mut self, bytes: usize) -> Self {
        self.record_bytes = bytes;
        self
    }

    /// The most bytes that a key may have.
    #[must_use]
    pub fn key_bytes(mut self, bytes: usize) -> Self {
        self.key_bytes = bytes;
        self
    }

    /// How many commands are carried out from midnight to midnight (UTC). Each command of a batch counts.
    #[must_use]
    pub fn daily_commands(mut self, commands: u64) -> Self {
        self.daily_commands = Some(commands);
        self
    }

    /// The most bytes that the replies to one request may have together, before they are encoded. A reply that does not
    /// fit is the error `ERR max response size exceeded` in its place; its command was carried out. A transaction whose
    /// replies do not fit together fails as a whole over a real Redis.
    ///
    /// No more than that is received of one reply of a real Redis, but at least 64 KiB. The connection to it is closed then,
    /// so that the other requests that use it at that moment fail too.
    #[must_use]
    pub fn reply_bytes(mut self, bytes: usize) -> Self {
        self.reply_bytes = bytes;
        self
    }

    /// The most commands that a pipeline or a transaction may have.
    #[must_use]
    pub fn batch_commands(mut self, commands: usize) -> Self {
        self.batch_commands = commands;
        self
    }

    /// The most connections at a time. Further ones are answered with status 503 and closed.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// How long a connection may be idle before it is closed. Waiting for the headers of a request counts as idle, and so does
    /// waiting for a client that does not read its answer.
    #[must_use]
    pub fn idle_time(mut self, time: Duration) -> Self {
        self.idle_time = time;
        self
    }

    /// How long the body of a request may take to arrive.
    #[must_use]
    pub fn body_time(mut self, time: Duration) -> Self {
        self.body_time = time;
        self
    }

    /// The most bytes that are received of one reply of a real Redis. Replies about users and roles always fit.
    pub(crate) fn received_reply_bytes(&self) -> usize {
        self.reply_bytes.max(64 * 1024)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// The limits, and the number of commands of today.
pub(crate) struct Meter {
    pub(crate) limits: Limits,
    /// The number of the day since the epoch, and its commands.
    today: Mutex<(u64, u64)>,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, today: Mutex::default() }
    }

    /// The bytes that the replies to one request may take.
    pub(crate) fn budget(&self) -> ReplyBudget {
        ReplyBudget { left: self.limits.reply_bytes }
    }

    /// Counts a command, or returns the error text if it is refused.
    pub(crate) fn admit(&self, command: &Command) -> Result<(), String> {
        let limits = &self.limits;
        for at in command.key_positions() {
            let length = command.get(at).map_or(0, <[u8]>::len);
            if length > limits.key_bytes {
                return Err(format!(
                    "ERR max key size exceeded. Limit: {} bytes, Actual: {length} bytes",
                    limits.key_bytes
                ));
            }
        }
        if command.args().any(|arg| arg.len() > limits.record_bytes) {
            return Err("ERR max single record size exceeded".to_owned());
        }
        let Some(most) = limits.daily_commands else {
            return Ok(());
        };
        const DAY: u64 = 24 * 60 * 60 * 1000;
        let day = platform::unix_millis() / DAY;
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.0 != day {
            *today = (day, 0);
        }
        if today.1 >= most {
            return Err("ERR max daily request limit exceeded".to_owned());
        }
        today.1 += 1;
        Ok(())
    }
}

/// The number of bytes that the replies to a request may still take.
pub(crate) struct ReplyBudget {
    left: usize,
}

impl ReplyBudget {
    /// Counts a reply. If it does not fit with the replies before it, it is replaced by an error.
    pub(crate) fn charge(&mut self, reply: Result<Value, Error>) -> Result<Value, Error> {
        let reply = reply.map_err(too_large);
        match self.left.checked_sub(reply.as_ref().map_or(0, size)) {
            Some(left) => {
                self.left = left;
                reply
            }
            None => Err(exceeded()),
        }
    }
}

fn exceeded() -> Error {
    Error::server("ERR max response size exceeded")
}

/// Turns the transport's error for a reply beyond the limit into the error of the API. Other errors are not changed.
pub(crate) fn too_large(error: Error) -> Error {
    let is_limit =
        error.kind() == ErrorKind::Protocol && error.message().contains("max_reply_bytes");
    if is_limit { exceeded() } else { error }
}

/// About how many bytes a reply takes.
fn size(value: &Value) -> usize {
    const HEAD: usize = 8;
    let bytes = match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter().map(size).sum()
        }
        Value::Map(pairs) => pairs.iter().map(|(key, value)| size(key) + size(value)).sum(),
        Value::Error(text) => text.len(),
        other => other.as_bytes().map_or(0, <[u8]>::len),
    };
    HEAD + bytes
}
