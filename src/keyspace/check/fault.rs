//! The faults that a check reports.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A fault of a key. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// No declaration covers the key.
    Undeclared,
    /// Its type in Redis is not the declared one.
    WrongType {
        /// The declared type.
        expected: String,
        /// The actual type.
        found: String,
    },
    /// It should expire, but has no time to live.
    NoTtl {
        /// The declared time to live.
        declared: u64,
    },
    /// Its time to live is longer than the declared one.
    TtlTooLong {
        /// The declared time to live.
        declared: u64,
        /// The time to live that is left.
        left: u64,
    },
    /// It is declared without expiry, but expires.
    UnexpectedTtl {
        /// The time to live that is left.
        left: u64,
    },
    /// It does not decode as the declared record. Neither field of this variant contains its content.
    Undecodable {
        /// The field that does not decode; `None` for the whole value.
        field: Option<String>,
        /// The reason, such as `expected u64`.
        why: String,
    },
    /// It has more bytes than allowed. Its content was not checked.
    TooManyBytes {
        /// Its size: the length of a string, or the memory of another value on the server.
        bytes: u64,
        /// How many are allowed.
        allowed: u64,
    },
    /// It has more elements than allowed. Its content was not checked.
    TooManyElements {
        /// How many it has.
        elements: u64,
        /// How many are allowed.
        allowed: u64,
    },
    /// A key that changes together with it is in another slot of a cluster.
    CrossSlot {
        /// The other key.
        with: String,
    },
}

impl Fault {
    /// The kind of the fault.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Undeclared => FaultKind::Undeclared,
            Self::WrongType { .. } => FaultKind::WrongType,
            Self::NoTtl { .. } => FaultKind::NoTtl,
            Self::TtlTooLong { .. } => FaultKind::TtlTooLong,
            Self::UnexpectedTtl { .. } => FaultKind::UnexpectedTtl,
            Self::Undecodable { .. } => FaultKind::Undecodable,
            Self::TooManyBytes { .. } => FaultKind::TooManyBytes,
            Self::TooManyElements { .. } => FaultKind::TooManyElements,
            Self::CrossSlot { .. } => FaultKind::CrossSlot,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undeclared => f.write_str("no declaration covers it"),
            Self::WrongType { expected, found } => write!(f, "it is a {found}, not a {expected}"),
            Self::NoTtl { declared } => {
                write!(
                    f,
                    "it never expires; its time to live is declared as {}",
                    Seconds(*declared)
                )
            }
            Self::TtlTooLong { declared, left } => {
                let (declared, left) = (Seconds(*declared), Seconds(*left));
                write!(f, "it expires in {left}; its time to live is declared as {declared}")
            }
            Self::UnexpectedTtl { left } => {
                write!(f, "it expires in {}; it is declared to stay", Seconds(*left))
            }
            Self::Undecodable { field: Some(field), why } => {
                write!(f, "the field '{}' does not decode: {why}", field.escape_debug())
            }
            Self::Undecodable { field: None, why } => write!(f, "it does not decode: {why}"),
            Self::TooManyBytes { bytes, allowed } => {
                write!(f, "it has {}; the limit is {allowed}", counted(*bytes, "byte"))
            }
            Self::TooManyElements { elements, allowed } => {
                write!(f, "it has {}; the limit is {allowed}", counted(*elements, "element"))
            }
            Self::CrossSlot { with } => write!(
                f,
                "it changes together with '{}', which is in another slot of a cluster",
                with.escape_debug()
            ),
        }
    }
}

/// Milliseconds, shown as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.div_ceil(1000))
    }
}

/// The kinds of [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// [`Fault::Undeclared`]
    Undeclared,
    /// [`Fault::WrongType`]
    WrongType,
    /// [`Fault::NoTtl`]
    NoTtl,
    /// [`Fault::TtlTooLong`]
    TtlTooLong,
    /// [`Fault::UnexpectedTtl`]
    UnexpectedTtl,
    /// [`Fault::Undecodable`]
    Undecodable,
    /// [`Fault::TooManyBytes`]
    TooManyBytes,
    /// [`Fault::TooManyElements`]
    TooManyElements,
    /// [`Fault::CrossSlot`]
    CrossSlot,
}

impl FaultKind {
    /// The description of this many keys with such a fault, such as `without the declared time to live`.
    pub(super) fn of(self, keys: u64) -> &'static str {
        let one = keys == 1;
        match self {
            Self::Undeclared => "not covered by a declaration",
            Self::WrongType => "of the wrong type",
            Self::NoTtl => "without the declared time to live",
            Self::TtlTooLong => "with too long a time to live",
            Self::UnexpectedTtl if one => "that is declared to stay and expires",
            Self::UnexpectedTtl => "that are declared to stay and expire",
            Self::Undecodable if one => "that does not decode",
            Self::Undecodable => "that do not decode",
            Self::TooManyBytes => "with too many bytes",
            Self::TooManyElements => "with too many elements",
            Self::CrossSlot if one => "in another slot than a key that changes together with it",
            Self::CrossSlot => "in another slot than a key that changes together with them",
        }
    }
}

/// The description of keys with such a fault, in the plural, such as `that do not decode`.
impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.of(2))
    }
}

/// A count with its noun: `1 key`, `2 keys`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A key with a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The key. Bytes that are not UTF-8 are escaped as `\xff`, and a long key is truncated.
    pub key: String,
    /// The pattern of the declaration that covers it.
    pub pattern: Option<String>,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}': {}", self.key.escape_debug(), self.fault)
    }
}

/// The text of a key in a finding.
pub(super) fn shown(key: &[u8]) -> String {
    const LONGEST: usize = 500;
    let text = match std::str::from_utf8(key) {
        Ok(text) => text.to_owned(),
        Err(_) => key[..key.len().min(LONGEST + 1)].escape_ascii().to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
