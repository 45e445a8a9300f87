use super::position::Position;
use crate::{Error, Result};

/// An event that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T> {
    /// Where it stands in the history. `None` if it is not kept there.
    pub position: Option<Position>,
    /// The id that its publisher gave it. Empty for what another program has published as plain JSON.
    pub id: String,
    /// What kind of event it is, [`DEFAULT_NAME`] if the publisher did not say.
    pub name: String,
    /// The payload.
    pub data: T,
}

/// The name of events that have none, as browsers call them.
pub const DEFAULT_NAME: &str = "message";

/// What a [`Subscription`](super::Subscription) gives.
#[derive(Debug)]
#[non_exhaustive]
pub enum Item<T> {
    /// An event. Each that the history keeps comes once, and in the order in which they were published. A transient one may come after
    /// kept ones that were published later.
    Event(Event<T>),
    /// Events are missing here.
    Gap(Gap),
    /// An event that is not of the type of the topic, or is no JSON.
    Unreadable(Unreadable),
}

impl<T> Item<T> {
    /// The event, if it is one.
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
    /// Why.
    pub reason: GapReason,
    /// How many, if that is known.
    pub missed: Option<u64>,
    /// The position after which the subscription goes on. `None` without a history.
    pub position: Option<Position>,
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The history has dropped them: by count, by time, or by hand.
    Trimmed,
    /// The history is not the one of the subscriber's position: Redis was flushed, has evicted it, or came back with older data.
    HistoryLost,
    /// The subscriber was too slow, and there is no history, or it has dropped the events since.
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
    /// Where it stands in the history.
    pub position: Option<Position>,
    /// Why it could not be read.
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
    /// After this position, as far as the history has it. What is missing is a gap.
    After(Position),
}

impl Start {
    /// After the position in a `Last-Event-ID` header, or `otherwise` if there is none. A text that is no position of ours is a
    /// position that no history knows: there is a gap, and then all that is kept.
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
