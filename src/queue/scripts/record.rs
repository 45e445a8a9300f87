//! The record of a task in Redis: sixteen words and a text.

use bytes::Bytes;

use crate::{Error, Result};

/// The due time of a task that waits for its children.
pub(super) const NEVER: u64 = 9_007_199_254_740_991;

/// The stored state of a task, without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::queue) struct Record {
    pub(in crate::queue) state: State,
    /// The number of deliveries.
    pub(in crate::queue) number: u64,
    pub(in crate::queue) failures: u64,
    pub(in crate::queue) abandoned: u64,
    pub(in crate::queue) attempts: u64,
    pub(in crate::queue) poison: u64,
    pub(in crate::queue) ttl: u64,
    pub(in crate::queue) expires: u64,
    pub(in crate::queue) priority: u64,
    pub(in crate::queue) seq: u64,
    pub(in crate::queue) due: u64,
    pub(in crate::queue) children: u64,
    pub(in crate::queue) token: Bytes,
    /// `-`, or `=` and the name. `parent` has the same form.
    pub(in crate::queue) group: Bytes,
    pub(in crate::queue) parent: Bytes,
    pub(in crate::queue) reason: Bytes,
    pub(in crate::queue) error: Bytes,
}

/// The state of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::queue) enum State {
    Ready,
    Delayed,
    Grouped,
    Parent,
    Active,
    Dead,
}

impl State {
    pub(in crate::queue) fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"ready" => Self::Ready,
            b"delayed" => Self::Delayed,
            b"grouped" => Self::Grouped,
            b"parent" => Self::Parent,
            b"active" => Self::Active,
            b"dead" => Self::Dead,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Grouped => "grouped",
            Self::Parent => "parent",
            Self::Active => "active",
            Self::Dead => "dead",
        }
    }
}

impl Record {
    /// The record of a new task.
    pub(super) fn new(attempts: u64, poison: u64, ttl: u64) -> Self {
        let nothing = Bytes::from_static(b"-");
        Self {
            state: State::Parent,
            number: 0,
            failures: 0,
            abandoned: 0,
            attempts,
            poison,
            ttl,
            expires: 0,
            priority: 100,
            seq: 0,
            due: 0,
            children: 0,
            token: nothing.clone(),
            group: nothing.clone(),
            parent: nothing.clone(),
            reason: nothing,
            error: Bytes::new(),
        }
    }

    /// `None` for a text that no script has written.
    pub(in crate::queue) fn parse(text: &Bytes) -> Option<Self> {
        let mut words = text.splitn(17, |byte| *byte == b' ').map(|word| text.slice_ref(word));
        let mut word = || words.next();
        let integer = |word: Option<Bytes>| number(&word?).ok();
        // In the order in which they are written.
        Some(Self {
            state: State::parse(&word()?)?,
            number: integer(word())?,
            failures: integer(word())?,
            abandoned: integer(word())?,
            attempts: integer(word())?,
            poison: integer(word())?,
            ttl: integer(word())?,
            expires: integer(word())?,
            priority: integer(word())?,
            seq: integer(word())?,
            due: integer(word())?,
            children: integer(word())?,
            token: word()?,
            group: word()?,
            parent: word()?,
            reason: word()?,
            error: word()?,
        })
    }

    pub(super) fn to_text(&self) -> Vec<u8> {
        let head = format!(
            "{} {} {} {} {} {} {} {} {} {} {} {}",
            self.state.as_str(),
            self.number,
            self.failures,
            self.abandoned,
            self.attempts,
            self.poison,
            self.ttl,
            self.expires,
            self.priority,
            self.seq,
            self.due,
            self.children
        );
        let words = [&self.token, &self.group, &self.parent, &self.reason, &self.error];
        let mut text = head.into_bytes();
        for word in words {
            text.push(b' ');
            text.extend_from_slice(word);
        }
        text
    }

    /// The score of the task among the ready ones: higher priorities first, then the order of arrival.
    pub(super) fn rank(&self) -> u64 {
        255_u64.saturating_sub(self.priority).saturating_mul(1 << 44).saturating_add(self.seq)
    }

    pub(in crate::queue) fn group(&self) -> Option<&[u8]> {
        self.group.strip_prefix(b"=")
    }

    pub(in crate::queue) fn parent(&self) -> Option<&[u8]> {
        self.parent.strip_prefix(b"=")
    }

    pub(super) fn grouped_member(&self, id: &[u8]) -> Vec<u8> {
        let rank = format!("{:016}", self.rank());
        [self.group().unwrap_or_default(), b"\x01", rank.as_bytes(), b"\x01", id].concat()
    }
}

/// Parses a number of an argument.
pub(super) fn number(text: &[u8]) -> Result<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::server("ERR value is not an integer or out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let text = Bytes::from("active 3 1 2 5 3 86400000 9 100 17 8 0 t =g =p - what it said, \n");
        let record = Record::parse(&text).unwrap();
        assert_eq!(record.to_text(), text);
        assert_eq!((record.group(), record.parent()), (Some(&b"g"[..]), Some(&b"p"[..])));
        for other in ["", "active", "active 1 2", "gone 3 1 2 5 3 8 9 100 17 8 0 t - - - "] {
            assert_eq!(Record::parse(&Bytes::from(other)), None);
        }
    }
}
