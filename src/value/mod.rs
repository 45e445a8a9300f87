//! A reply as Redis gave it, and how it becomes a Rust type.

mod from_value;

use std::fmt;

use bytes::Bytes;

pub use from_value::{FromValue, Json, Pairs};

/// A reply of Redis. Strings are bytes: nothing is parsed until the caller's type asks for it.
///
/// `Debug` shows the shape and the lengths, not the content, so that a log line leaks no value.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Value {
    /// Absent: a nil bulk string or array. Never confused with a stored `"null"`.
    #[default]
    Nil,
    /// An integer reply.
    Integer(i64),
    /// A status such as `OK`. A REST server without base64 does not tell it from a bulk string.
    Simple(Bytes),
    /// A binary-safe string. Numbers that do not fit [`Value::Integer`] come as their decimal text.
    Bulk(Bytes),
    /// An array, possibly nested.
    Array(Vec<Value>),
    /// A map, where the server sends one instead of a flat array.
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// The status `OK`.
    pub const OK: Self = Self::Simple(Bytes::from_static(b"OK"));

    /// A bulk string.
    pub fn bulk(bytes: impl Into<Bytes>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// The bytes of a status or bulk string.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether this is [`Value::Nil`].
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Integer(_) => "an integer",
            Self::Simple(_) => "a status",
            Self::Bulk(_) => "a string",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Simple(status) => write!(f, "Simple({})", String::from_utf8_lossy(status)),
            Self::Bulk(bytes) => write!(f, "Bulk({} bytes)", bytes.len()),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Integer(yes.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bulk(bytes)
    }
}
