//! Reads keys in one round trip, no more of each than its limits.

mod plain;
mod script;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub(crate) use self::script::LOOK;
use crate::keyspace::{RedisType, Stored};
use crate::{Client, FromValue, Result, Value};

/// How large a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How many elements a value other than a string may have.
    pub(crate) elements: u64,
    /// How many bytes: the length of a string, the memory that another value takes.
    pub(crate) bytes: u64,
}

/// A key to look at, which should be of this type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) key: &'a str,
    pub(super) redis_type: RedisType,
    /// What is larger is measured and not read.
    pub(super) limits: Limits,
}

/// A key that is there.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) ttl: Option<Duration>,
    pub(super) content: Content,
}

/// What is known of a value.
#[derive(Debug)]
pub(crate) enum Content {
    /// It is of another type.
    OfType(String),
    /// It is larger than the limits. The bytes are 0 if nobody counted them.
    Size { elements: u64, bytes: u64 },
    /// All of it.
    Whole { stored: Stored, elements: u64, bytes: u64 },
}

/// By which commands keys are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum By {
    /// A script for each key: one command.
    #[default]
    Script,
    /// Commands that read: two for a string, three for other types. For servers and users without scripts.
    Commands,
}

/// What came of a round trip.
#[derive(Debug)]
pub(super) struct Looks {
    /// In the order of the keys; `None` for one that is gone.
    pub(super) looks: Vec<Option<Look>>,
    pub(super) commands: u64,
}

/// Looks at keys. The bytes of values with more than `measured` elements are not counted. Where the server refuses the script,
/// `by` becomes [`By::Commands`].
pub(super) async fn look(
    client: &Client,
    by: &mut By,
    asks: &[Ask<'_>],
    measured: u64,
) -> Result<Looks> {
    let mut refused = 0;
    if *by == By::Script {
        match script::look(client, asks, measured).await? {
            Ok(looks) => return Ok(looks),
            Err(commands) => (refused, *by) = (commands, By::Commands),
        }
    }
    let mut looks = plain::look(client, asks).await?;
    looks.commands += refused;
    Ok(looks)
}

/// How a type is measured and read: the command for the number of its elements (for a string of its bytes), and the command
/// and arguments that read all of it.
fn reading(redis_type: RedisType) -> (&'static str, &'static [&'static str]) {
    match redis_type {
        RedisType::String => ("STRLEN", &["GET"]),
        RedisType::Hash => ("HLEN", &["HGETALL"]),
        RedisType::List => ("LLEN", &["LRANGE", "0", "-1"]),
        RedisType::Set => ("SCARD", &["SMEMBERS"]),
        RedisType::SortedSet => ("ZCARD", &["ZRANGE", "0", "-1", "WITHSCORES"]),
    }
}

/// What a reply of the reading command says.
fn stored(redis_type: RedisType, reply: Value) -> Result<Stored> {
    Ok(match redis_type {
        RedisType::String => Stored::String(Bytes::from_value(reply)?),
        RedisType::Hash => Stored::Hash(Vec::from_value(reply)?),
        RedisType::List => Stored::List(Vec::from_value(reply)?),
        RedisType::Set => Stored::Set(Vec::from_value(reply)?),
        RedisType::SortedSet => Stored::SortedSet(Vec::from_value(reply)?),
    })
}

/// What PTTL says: `None` if there is no such key, `Some(None)` if it stays.
fn ttl(reply: Value) -> Result<Option<Option<Duration>>> {
    Ok(match i64::from_value(reply)? {
        -2 => None,
        left => Some(u64::try_from(left).ok().map(Duration::from_millis)),
    })
}
