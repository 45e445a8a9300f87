//! What is asked of a key, and what is known of it then.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::keyspace::{RedisType, Stored};
use crate::{FromValue, Result, Value};

/// How large a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::keyspace::check) struct Limits {
    /// How many elements a value other than a string may have.
    pub(in crate::keyspace::check) elements: u64,
    /// How many bytes: the length of a string, the memory that another value takes.
    pub(in crate::keyspace::check) bytes: u64,
}

/// A key to look at, which should be of this type.
#[derive(Debug, Clone, Copy)]
pub(in crate::keyspace::check) struct Ask<'a> {
    pub(in crate::keyspace::check) key: &'a str,
    pub(in crate::keyspace::check) redis_type: RedisType,
    /// What is larger is measured and not read.
    pub(in crate::keyspace::check) limits: Limits,
}

/// A key that is there.
#[derive(Debug)]
pub(in crate::keyspace::check) struct Look {
    pub(in crate::keyspace::check) ttl: Option<Duration>,
    pub(in crate::keyspace::check) content: Content,
}

/// What is known of a value.
#[derive(Debug)]
pub(in crate::keyspace::check) enum Content {
    /// It is of another type.
    OfType(String),
    /// It is larger than the limits. The bytes are 0 if nobody counted them.
    Size { elements: u64, bytes: u64 },
    /// All of it.
    Whole { stored: Stored, elements: u64, bytes: u64 },
}

/// By which commands keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::keyspace::check) enum By {
    /// A script for each key: one command.
    #[default]
    Script,
    /// Commands that read: two for a string, three for other types. For servers and users without scripts.
    Commands,
}

/// What came of a round trip.
#[derive(Debug)]
pub(in crate::keyspace::check) struct Looks {
    /// In the order of the keys; `None` for one that is gone.
    pub(in crate::keyspace::check) looks: Vec<Option<Look>>,
    pub(in crate::keyspace::check) commands: u64,
}

/// How a type is measured and read: the command for the number of its elements (for a string of its bytes), and the command
/// and arguments that read all of it.
pub(super) fn reading(redis_type: RedisType) -> (&'static str, &'static [&'static str]) {
    match redis_type {
        RedisType::String => ("STRLEN", &["GET"]),
        RedisType::Hash => ("HLEN", &["HGETALL"]),
        RedisType::List => ("LLEN", &["LRANGE", "0", "-1"]),
        RedisType::Set => ("SCARD", &["SMEMBERS"]),
        RedisType::SortedSet => ("ZCARD", &["ZRANGE", "0", "-1", "WITHSCORES"]),
    }
}

/// What a reply of the reading command says.
pub(super) fn stored(redis_type: RedisType, reply: Value) -> Result<Stored> {
    Ok(match redis_type {
        RedisType::String => Stored::String(Bytes::from_value(reply)?),
        RedisType::Hash => Stored::Hash(Vec::from_value(reply)?),
        RedisType::List => Stored::List(Vec::from_value(reply)?),
        RedisType::Set => Stored::Set(Vec::from_value(reply)?),
        RedisType::SortedSet => Stored::SortedSet(Vec::from_value(reply)?),
    })
}

/// What PTTL says: `None` if there is no such key, `Some(None)` if it stays.
pub(super) fn ttl(reply: Value) -> Result<Option<Option<Duration>>> {
    Ok(match i64::from_value(reply)? {
        -2 => None,
        left => Some(u64::try_from(left).ok().map(Duration::from_millis)),
    })
}
