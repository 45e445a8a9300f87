//! The content of a key, and whether it is the declared record.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::node::Node;
use super::record::{self, Broken};
use super::redis_type::RedisType;

/// The content of a key. `Debug` shows the type and the size, not the content.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Stored {
    /// The bytes of a string.
    String(Bytes),
    /// The fields of a hash and their values.
    Hash(Vec<(Bytes, Bytes)>),
    /// The items of a list, from its head.
    List(Vec<Bytes>),
    /// The members of a set.
    Set(Vec<Bytes>),
    /// The members of a sorted set and their scores.
    SortedSet(Vec<(Bytes, f64)>),
    /// A key of another type, as TYPE names it.
    Other(String),
}

impl Stored {
    /// The name of its type in replies of TYPE.
    pub fn type_name(&self) -> &str {
        match self {
            Self::String(_) => RedisType::String.as_str(),
            Self::Hash(_) => RedisType::Hash.as_str(),
            Self::List(_) => RedisType::List.as_str(),
            Self::Set(_) => RedisType::Set.as_str(),
            Self::SortedSet(_) => RedisType::SortedSet.as_str(),
            Self::Other(name) => name,
        }
    }

    /// How many elements it has; 1 for a string.
    pub fn len(&self) -> usize {
        match self {
            Self::String(_) => 1,
            Self::Hash(fields) => fields.len(),
            Self::List(items) | Self::Set(items) => items.len(),
            Self::SortedSet(members) => members.len(),
            Self::Other(_) => 0,
        }
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of the lengths of all its strings, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::String(text) => text.len(),
            Self::Hash(fields) => fields.iter().map(|(name, value)| name.len() + value.len()).sum(),
            Self::List(items) | Self::Set(items) => items.iter().map(Bytes::len).sum(),
            Self::SortedSet(members) => members.iter().map(|(member, _)| member.len()).sum(),
            Self::Other(_) => 0,
        }
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} elements, {} bytes)", self.type_name(), self.len(), self.bytes())
    }
}

/// Checks whether the content is the declared record.
pub type Decode = fn(&Stored) -> Result<(), Mismatch>;

/// Why the content is not the declared record. It holds no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The place: a field such as `progress`, `metadata.tokens` or `history[3]`; `None` for the whole value.
    pub field: Option<String>,
    /// The reason, such as `expected u64`.
    pub why: String,
}

impl From<Broken> for Mismatch {
    fn from(broken: Broken) -> Self {
        let field = Some(broken.field).filter(|field| !field.is_empty());
        Self { field, why: broken.why }
    }
}

/// The mismatch of a key of another type than declared.
fn of_type(stored: &Stored) -> Result<(), Mismatch> {
    Err(Broken::new(format!("it is a {}", stored.type_name())).into())
}

/// Whether a string is the JSON of a record.
pub(super) fn json<T: DeserializeOwned>(stored: &Stored) -> Result<(), Mismatch> {
    let Stored::String(text) = stored else { return of_type(stored) };
    let Err(error) = serde_json::from_slice::<T>(text) else { return Ok(()) };
    let place = format!("line {}, column {}", error.line(), error.column());
    // The error's own text may quote the value, so the value is read again by a reader that quotes nothing.
    let broken = match serde_json::from_slice(text) {
        Err(_) => Broken::new(format!("it is not JSON ({place})")),
        Ok(value) => match T::deserialize(Node(&value)) {
            Err(broken) => broken,
            Ok(_) => Broken::new(format!("it is not valid ({place})")),
        },
    };
    Err(broken.into())
}

/// Whether the fields of a hash are a record.
pub(super) fn fields<T: DeserializeOwned>(stored: &Stored) -> Result<(), Mismatch> {
    let Stored::Hash(fields) = stored else { return of_type(stored) };
    let text = |name: &Bytes| String::from_utf8(name.to_vec()).ok();
    let named = fields.iter().map(|(name, value)| Some((text(name)?, value.clone())));
    let fields: Option<HashMap<_, _>> = named.collect();
    let fields = fields.ok_or_else(|| Broken::new("the name of a field is not UTF-8"))?;
    Ok(record::from_fields::<T>(&fields).map(drop)?)
}

/// Whether a string, or each item of a collection, is a record.
pub(super) fn items<T: DeserializeOwned>(stored: &Stored) -> Result<(), Mismatch> {
    let decode = |text: &Bytes| record::from_text::<T>(text).map(drop);
    match stored {
        Stored::String(text) => decode(text)?,
        Stored::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| decode(item).map_err(|broken| broken.of_item(at)))?,
        Stored::Set(members) => members.iter().try_for_each(decode)?,
        Stored::SortedSet(members) => members.iter().try_for_each(|(member, _)| decode(member))?,
        Stored::Hash(_) | Stored::Other(_) => return of_type(stored),
    }
    Ok(())
}
