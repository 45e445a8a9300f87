//! What Upstash's plans limit: the size of requests, records and keys, and the number of commands a day.

use std::sync::{Mutex, PoisonError};

use edgecask::{Command, platform};

/// The limits of a server. The defaults are those of Upstash's free plan, but without a daily quota.
///
/// | setting | default |
/// |---|---|
/// | [`request_bytes`](Self::request_bytes) | 10 MB |
/// | [`record_bytes`](Self::record_bytes) | 100 MB |
/// | [`key_bytes`](Self::key_bytes) | 32 KB |
/// | [`daily_commands`](Self::daily_commands) | none |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    pub(crate) request_bytes: usize,
    record_bytes: usize,
    key_bytes: usize,
    daily_commands: Option<u64>,
}

impl Limits {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            request_bytes: 10 * 1024 * 1024,
            record_bytes: 100 * 1024 * 1024,
            key_bytes: 32 * 1024,
            daily_commands: None,
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
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// The limits, and what was used of them today.
pub(crate) struct Meter {
    pub(crate) limits: Limits,
    /// The day since the epoch, and its commands.
    today: Mutex<(u64, u64)>,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, today: Mutex::default() }
    }

    /// Counts a command, or says why it is refused.
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
