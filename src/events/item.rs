use super::position::Position;
use crate::{Error, Result};

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T> {
    /// Its position in the history. `None` if the history does not keep it.
    pub position: Option<Position>,
    /// The id from its publisher. Empty if another program has published it as plain JSON.
    pub id: String,
    /// The name of the kind of event; [`DEFAULT_NAME`] if the publisher gave none.
    pub name: String,
    /// The payload.
    pub data: T,
}

/// The name of events without a name. Browsers use the same default.
pub const DEFAULT_NAME: &str = "message";

/// An item of a [`Subscription`](super::Subscription).
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<T> {
    /// An event. Events that the history keeps come once, and in the order in which they were published. A transient event may come after
    /// kept events that were published later.
    Event(Event<T>),
    /// Events are missing here.
    Gap(Gap),
    /// An event that is not of the type of the topic, is not JSON, or is longer than the client's limit of a reply.
    Unreadable(Unreadable),
}

impl<T> Item<T> {
    /// The event; `None` for other items.
    pub fn event(self) -> Option<Event<T>> {
        match self {
            Self::Event(event) => Some(event),
            _ => None,
        }
    }
}

/// Events that a subscriber will not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The reason.
    pub reason: GapReason,
    /// The number of missing events, if it is known.
    pub missed: Option<u64>,
    /// The position after which the subscription goes on. `None` without a history.
    pub position: Option<Position>,
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The history has dropped them: by count, by time, or by a command of an operator.
    Trimmed,
    /// The subscriber's position is not in this history: Redis was flushed, has evicted the history, or came back with older data.
    HistoryLost,
    /// The subscriber was too slow, and the history has dropped the events since, or there is no history.
    TooSlow,
    /// The connection was lost, or the subscriber came back, and there is no history.
    Disconnected,
}

impl GapReason {
    /// The reason as a word: `trimmed`, `history-lost`, `too-slow` or `disconnected`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::HistoryLost => "history-lost",
            Self::TooSlow => "too-slow",
            Self::Disconnected => "disconnected",
        }
    }
}

/// An event that could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its position in the history.
    pub position: Option<Position>,
    /// The error of reading it.
    pub error: Error,
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// With the events that are published from now on.
    #[default]
    Now,
    /// With the oldest event that the history has. Without a history there is a gap first.
    Oldest,
    /// After this position. Events that the history no longer has are a gap.
    After(Position),
}

impl Start {
    /// After the position in a `Last-Event-ID` header, or `otherwise` if the header is absent or empty. A text that is not a
    /// [`Position`] counts as one that no history knows: the subscription starts with a gap, and then gives all events of the history.
    pub fn last_event_id(header: Option<&str>, otherwise: Self) -> Self {
        match header.map(str::trim) {
            None | Some("") => otherwise,
            Some(text) => {
                let unknown: Result<Position> = Ok(Position { epoch: 0, offset: 0 });
                text.parse().or(unknown).map_or(otherwise, Self::After)
            }
        }
    }
}
