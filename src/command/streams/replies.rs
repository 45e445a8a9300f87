//! The replies of the commands on streams.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Error, ErrorKind, FromValue, Pairs, Result, Value};

/// An entry: its id, and its fields in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<V> {
    /// Such as `1526919030474-55`.
    pub id: String,
    /// Empty for an entry that was deleted while it was pending.
    pub fields: Vec<(String, V)>,
}

impl<V> Entry<V> {
    /// The value of a field; of the first one, if several have this name.
    pub fn get(&self, field: &str) -> Option<&V> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }
}

impl<V: FromValue> FromValue for Entry<V> {
    fn from_value(value: Value) -> Result<Self> {
        let (id, fields) = <(String, Option<Pairs<String, V>>)>::from_value(value)?;
        Ok(Self { id, fields: fields.map(|pairs| pairs.0).unwrap_or_default() })
    }
}

/// The entries of each stream, by its key.
pub type Read<V> = Vec<(String, Vec<Entry<V>>)>;

pub(super) fn read<V: FromValue>(value: Value) -> Result<Read<V>> {
    Ok(Option::<Pairs<String, Vec<Entry<V>>>>::from_value(value)?.map_or(Vec::new(), |read| read.0))
}

/// Claimed entries. Those that were deleted since their delivery come as nil, and are left out.
pub(super) fn present<V: FromValue>(value: Value) -> Result<Vec<Entry<V>>> {
    Ok(Vec::<Option<Entry<V>>>::from_value(value)?.into_iter().flatten().collect())
}

/// The result of XDELEX and XACKDEL for an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Deleted {
    /// There is no such entry.
    Missing,
    /// It was deleted.
    Deleted,
    /// It still has references, and was not deleted.
    Kept,
}

impl FromValue for Deleted {
    fn from_value(value: Value) -> Result<Self> {
        match i64::from_value(value)? {
            -1 => Ok(Self::Missing),
            1 => Ok(Self::Deleted),
            2 => Ok(Self::Kept),
            _ => Err(Error::new(ErrorKind::Type, "asked for the result of a deletion")),
        }
    }
}

/// A step of XAUTOCLAIM.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoClaimed<T> {
    /// The id to continue from; `0-0` when the iteration is complete.
    pub cursor: String,
    /// The claimed entries or ids.
    pub claimed: Vec<T>,
    /// The ids of entries that were pending but have been deleted. They are no longer pending (Redis 7).
    pub deleted: Vec<String>,
}

pub(super) fn auto_claimed<T>(
    value: Value,
    claimed: fn(Value) -> Result<Vec<T>>,
) -> Result<AutoClaimed<T>> {
    let mut parts = Vec::<Value>::from_value(value)?.into_iter();
    Ok(AutoClaimed {
        cursor: String::from_value(parts.next().unwrap_or_default())?,
        claimed: claimed(parts.next().unwrap_or_default())?,
        deleted: parts.next().map_or(Ok(Vec::new()), Vec::from_value)?,
    })
}

/// A summary of the pending entries of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingSummary {
    /// The number of entries.
    pub count: u64,
    /// The smallest id.
    pub first: Option<String>,
    /// The greatest id.
    pub last: Option<String>,
    /// The number of entries of each consumer.
    pub consumers: Vec<(String, u64)>,
}

impl FromValue for PendingSummary {
    fn from_value(value: Value) -> Result<Self> {
        type Parts = (u64, Option<String>, Option<String>, Option<Vec<(String, u64)>>);
        let (count, first, last, consumers) = Parts::from_value(value)?;
        Ok(Self { count, first, last, consumers: consumers.unwrap_or_default() })
    }
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// Its id.
    pub id: String,
    /// The consumer that has it.
    pub consumer: String,
    /// The time since its last delivery, in whole milliseconds.
    pub idle: Duration,
    /// The number of deliveries.
    pub deliveries: u64,
}

impl FromValue for Pending {
    fn from_value(value: Value) -> Result<Self> {
        let (id, consumer, idle, deliveries) = FromValue::from_value(value)?;
        Ok(Self { id, consumer, idle: Duration::from_millis(idle), deliveries })
    }
}

/// A reply of XINFO, by name.
pub type StreamInfo = BTreeMap<String, Value>;
