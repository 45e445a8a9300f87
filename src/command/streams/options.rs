//! The options of the commands on streams.

use std::time::Duration;

use crate::command::{Arguments, Command, ToArg, time};

/// Which old entries XADD and XTRIM drop.
///
/// ```
/// use edgecask::command::streams::Trim;
///
/// let about_a_thousand = Trim::max_len(1000).approximately();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trim {
    strategy: &'static str,
    threshold: String,
    approximately: bool,
    limit: Option<u64>,
    policy: Option<DeletePolicy>,
}

impl Trim {
    fn new(strategy: &'static str, threshold: String) -> Self {
        Self { strategy, threshold, approximately: false, limit: None, policy: None }
    }

    /// Keeps this many of the newest entries.
    pub fn max_len(length: u64) -> Self {
        Self::new("MAXLEN", length.to_string())
    }

    /// Drops entries with a smaller id.
    pub fn min_id(id: impl Into<String>) -> Self {
        Self::new("MINID", id.into())
    }

    /// May keep a few more, which is faster (`~`).
    #[must_use]
    pub fn approximately(mut self) -> Self {
        self.approximately = true;
        self
    }

    /// Drops at most this many entries; only together with [`approximately`](Self::approximately).
    #[must_use]
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = Some(entries);
        self
    }

    /// The handling of the groups' references to dropped entries (Redis 8.2).
    #[must_use]
    pub fn policy(mut self, policy: DeletePolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    pub(super) fn append(&self, command: Command) -> Command {
        let command = command.arg(self.strategy).arg_if(self.approximately, "~");
        let command = command.arg(&self.threshold).option("LIMIT", self.limit);
        self.policy.map(DeletePolicy::word).into_iter().fold(command, Command::arg)
    }
}

/// The handling of the groups' references to a deleted entry (Redis 8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeletePolicy {
    /// They stay.
    KeepRef,
    /// They are deleted too.
    DelRef,
    /// Only entries that every group has acknowledged are deleted.
    Acked,
}

impl DeletePolicy {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::KeepRef => "KEEPREF",
            Self::DelRef => "DELREF",
            Self::Acked => "ACKED",
        }
    }
}

/// The options of XADD. By default the server generates the id, an absent stream is created, and nothing is trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XAddOptions {
    id: Option<String>,
    no_mkstream: bool,
    trim: Option<Trim>,
}

impl XAddOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id, which must be greater than all others.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Adds nothing if the stream is absent.
    #[must_use]
    pub fn no_mkstream(mut self) -> Self {
        self.no_mkstream = true;
        self
    }

    /// Trims the stream as well.
    #[must_use]
    pub fn trim(mut self, trim: Trim) -> Self {
        self.trim = Some(trim);
        self
    }

    pub(super) fn append(&self, command: Command) -> Command {
        let command = command.arg_if(self.no_mkstream, "NOMKSTREAM");
        let command = self.trim.iter().fold(command, |command, trim| trim.append(command));
        command.arg(self.id.as_deref().unwrap_or("*"))
    }
}

/// The options of XREAD and XREADGROUP. By default they return all entries that are there, and do not wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XReadOptions {
    count: Option<u64>,
    block: Option<u64>,
    no_ack: bool,
}

impl XReadOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// At most this many entries of each stream.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Waits for entries until the timeout is over. `None` waits for ever; a shorter time than 1 ms, and zero, counts as
    /// 1 ms. Not over REST.
    #[must_use]
    pub fn block(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.block = Some(time::millis_or_zero(timeout.into()));
        self
    }

    /// Entries need no XACK. Only for XREADGROUP.
    #[must_use]
    pub fn no_ack(mut self) -> Self {
        self.no_ack = true;
        self
    }

    pub(super) fn append<'a>(
        self,
        command: Command,
        streams: impl IntoIterator<Item = (impl ToArg + 'a, impl ToArg + 'a)>,
    ) -> Command {
        let (mut keys, mut ids) = (Arguments::default(), Arguments::default());
        for (key, id) in streams {
            keys.extend([key]);
            ids.extend([id]);
        }
        let command = command.option("COUNT", self.count).option("BLOCK", self.block);
        let command = command.arg_if(self.no_ack, "NOACK").arg("STREAMS");
        command.args_from(keys.iter()).args_from(ids.iter())
    }
}

/// The options of XCLAIM. By default the idle time is reset and the delivery counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XClaimOptions {
    idle: Option<u64>,
    retry_count: Option<u64>,
    force: bool,
}

impl XClaimOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the idle time, rounded up to milliseconds.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(time::millis(idle));
        self
    }

    /// Sets the number of deliveries.
    #[must_use]
    pub fn retry_count(mut self, count: u64) -> Self {
        self.retry_count = Some(count);
        self
    }

    /// Claims entries that are not pending, too.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    pub(super) fn append(self, command: Command) -> Command {
        let command = command.option("IDLE", self.idle).option("RETRYCOUNT", self.retry_count);
        command.arg_if(self.force, "FORCE")
    }
}
