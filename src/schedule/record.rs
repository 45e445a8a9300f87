//! The records of slots that were not started, or whose runs did not end well.

use std::time::SystemTime;

use bytes::Bytes;

use super::declaration::to_time;
use crate::command::streams::Entry;

/// Why a slot was not started, or how its run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The schedule was seen for the first time, or Redis had lost its state. Slots before this time do not count.
    Begun,
    /// No process started the slots in time; see [`Missed`](super::Missed).
    Missed,
    /// The run of an earlier slot was under way, or a hundred of them if they may overlap.
    Overlap,
    /// The process that ran the slot died, or lost touch with Redis for longer than its lease.
    Abandoned,
    /// The run ended with an error, or panicked where a panic does not end the program.
    Failed,
    /// Redis lost the state of the schedule, or has an old one. Which slots between these times were started is not known.
    StateLost,
    /// A reason of a newer version.
    Other,
}

impl Reason {
    fn parse(text: &str) -> Self {
        match text {
            "begun" => Self::Begun,
            "missed" => Self::Missed,
            "overlap" => Self::Overlap,
            "abandoned" => Self::Abandoned,
            "failed" => Self::Failed,
            "state-lost" => Self::StateLost,
            _ => Self::Other,
        }
    }
}

/// A record of one slot, or of several that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Why the slots were not started, or how the run ended.
    pub reason: Reason,
    /// The first slot.
    pub from: SystemTime,
    /// The last slot. Equal to `from` if there is one.
    pub to: SystemTime,
    /// How many slots there are, unless they were too many to be counted. 0 for [`Reason::Begun`].
    pub count: Option<u64>,
    /// When the record was written, by the server's clock.
    pub written: SystemTime,
}

impl Record {
    /// `None` for an entry that another program wrote.
    pub(super) fn parse(entry: &Entry<Bytes>) -> Option<Self> {
        let field = |name: &str| std::str::from_utf8(entry.get(name)?).ok();
        let time = |name| Some(to_time(field(name)?.parse().ok()?));
        Some(Self {
            reason: Reason::parse(field("reason")?),
            from: time("from")?,
            to: time("to")?,
            count: field("count").and_then(|count| count.parse().ok()),
            written: to_time(entry.id.split('-').next()?.parse().ok()?),
        })
    }
}
