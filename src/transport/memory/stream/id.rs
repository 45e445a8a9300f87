//! Ids of entries: a time in milliseconds, and a number within it.

use std::fmt;

use crate::transport::memory::number;
use crate::{Error, Result, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(in crate::transport::memory) struct StreamId {
    pub(in crate::transport::memory) millis: u64,
    pub(in crate::transport::memory) sequence: u64,
}

impl StreamId {
    pub(in crate::transport::memory) const MIN: Self = Self { millis: 0, sequence: 0 };
    pub(in crate::transport::memory) const MAX: Self =
        Self { millis: u64::MAX, sequence: u64::MAX };

    pub(in crate::transport::memory) fn new(millis: u64, sequence: u64) -> Self {
        Self { millis, sequence }
    }

    /// The id after this one, if there is one.
    pub(in crate::transport::memory) fn next(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => self.millis.checked_add(1).map(|millis| Self { millis, sequence: 0 }),
        }
    }

    /// The id before this one, if there is one.
    pub(in crate::transport::memory) fn previous(self) -> Option<Self> {
        match self.sequence.checked_sub(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => self.millis.checked_sub(1).map(|millis| Self { millis, sequence: u64::MAX }),
        }
    }

    /// Reads an id. Without a number, it has the given one. `-` and `+` are the least and the greatest one.
    pub(in crate::transport::memory) fn parse(text: &[u8], sequence: u64) -> Result<Self> {
        match text {
            b"-" => Ok(Self::MIN),
            b"+" => Ok(Self::MAX),
            _ => Self::parse_exact(text, sequence),
        }
    }

    /// Reads an id, and nothing that stands for one.
    pub(in crate::transport::memory) fn parse_exact(text: &[u8], sequence: u64) -> Result<Self> {
        let mut parts = text.splitn(2, |byte| *byte == b'-');
        let millis = parts.next().and_then(unsigned).ok_or_else(invalid)?;
        let sequence = match parts.next() {
            Some(part) => unsigned(part).ok_or_else(invalid)?,
            None => sequence,
        };
        Ok(Self { millis, sequence })
    }

    /// The first id of an interval: `(` before it leaves it out.
    pub(in crate::transport::memory) fn parse_start(text: &[u8]) -> Result<Self> {
        match text.strip_prefix(b"(").filter(|rest| !rest.is_empty()) {
            Some(rest) => Self::parse_exact(rest, 0)?
                .next()
                .ok_or_else(|| Error::server("ERR invalid start ID for the interval")),
            None => Self::parse(text, 0),
        }
    }

    /// The last id of an interval: `(` before it leaves it out.
    pub(in crate::transport::memory) fn parse_end(text: &[u8]) -> Result<Self> {
        match text.strip_prefix(b"(").filter(|rest| !rest.is_empty()) {
            Some(rest) => Self::parse_exact(rest, u64::MAX)?
                .previous()
                .ok_or_else(|| Error::server("ERR invalid end ID for the interval")),
            None => Self::parse(text, u64::MAX),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.sequence)
    }
}

impl From<StreamId> for Value {
    fn from(id: StreamId) -> Self {
        Self::bulk(id.to_string())
    }
}

/// A number as Redis reads it here: by C's `strtoull` where it is no plain number, so with spaces, zeros and a sign before it.
fn unsigned(text: &[u8]) -> Option<u64> {
    if let Some(number) = number::int(text) {
        return u64::try_from(number).ok();
    }
    let digits = text.trim_ascii_start();
    let (digits, negative) = match digits {
        [b'-', rest @ ..] => (rest, true),
        [b'+', rest @ ..] => (rest, false),
        _ => (digits, false),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

pub(in crate::transport::memory) fn invalid() -> Error {
    Error::server("ERR Invalid stream ID specified as stream command argument")
}
