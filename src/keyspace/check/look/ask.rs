//! What a check reads of a key.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::keyspace::{RedisType, Stored};
use crate::{FromValue, Result, Value};

/// The largest value that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::keyspace::check) struct Limits {
    /// The most elements of a value other than a string.
    pub(in crate::keyspace::check) elements: u64,
    /// The most bytes: the length of a string, or the memory of another value.
    pub(in crate::keyspace::check) bytes: u64,
}

/// A key to read, and its declared type.
#[derive(Debug, Clone, Copy)]
pub(in crate::keyspace::check) struct Ask<'a> {
    pub(in crate::keyspace::check) key: &'a str,
    pub(in crate::keyspace::check) redis_type: RedisType,
    /// A larger value is measured and not read.
    pub(in crate::keyspace::check) limits: Limits,
}

/// A key that exists.
#[derive(Debug)]
pub(in crate::keyspace::check) struct Look {
    pub(in crate::keyspace::check) ttl: Option<Duration>,
    pub(in crate::keyspace::check) content: Content,
}

/// The content of a key, as far as it was read.
#[derive(Debug)]
pub(in crate::keyspace::check) enum Content {
    /// It is of another type.
    OfType(String),
    /// It is larger than the limits. The bytes are 0 if they were not counted.
    Size { elements: u64, bytes: u64 },
    /// The whole value.
    Whole { stored: Stored, elements: u64, bytes: u64 },
}

/// The commands that read the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::keyspace::check) enum By {
    /// A script for each key: one command.
    #[default]
    Script,
    /// Plain read commands: two for a string, three for other types. For servers and users without scripts.
    Commands,
}

/// The result of a round trip.
#[derive(Debug)]
pub(in crate::keyspace::check) struct Looks {
    /// In the order of the keys; `None` for a key that no longer exists.
    pub(in crate::keyspace::check) looks: Vec<Option<Look>>,
    pub(in crate::keyspace::check) commands: u64,
}

/// How a type is measured and read: the command for the number of its elements (of its bytes, for a string), and the
/// command with arguments that reads all of it.
pub(super) fn reading(redis_type: RedisType) -> (&'static str, &'static [&'static str]) {
    match redis_type {
        RedisType::String => ("STRLEN", &["GET"]),
        RedisType::Hash => ("HLEN", &["HGETALL"]),
        RedisType::List => ("LLEN", &["LRANGE", "0", "-1"]),
        RedisType::Set => ("SCARD", &["SMEMBERS"]),
        RedisType::SortedSet => ("ZCARD", &["ZRANGE", "0", "-1", "WITHSCORES"]),
    }
}

/// Parses a reply of the command that reads.
pub(super) fn stored(redis_type: RedisType, reply: Value) -> Result<Stored> {
    Ok(match redis_type {
        RedisType::String => Stored::String(Bytes::from_value(reply)?),
        RedisType::Hash => Stored::Hash(Vec::from_value(reply)?),
        RedisType::List => Stored::List(Vec::from_value(reply)?),
        RedisType::Set => Stored::Set(Vec::from_value(reply)?),
        RedisType::SortedSet => Stored::SortedSet(Vec::from_value(reply)?),
    })
}

/// Parses a reply of PTTL: `None` if the key does not exist, `Some(None)` if it does not expire.
pub(super) fn ttl(reply: Value) -> Result<Option<Option<Duration>>> {
    Ok(match i64::from_value(reply)? {
        -2 => None,
        left => Some(u64::try_from(left).ok().map(Duration::from_millis)),
    })
}
