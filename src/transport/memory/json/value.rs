//! A JSON value.

use indexmap::IndexMap;
use serde_json::Number;

/// The members of an object, in the order in which they were added. If one is removed, the last one takes its place, as in
/// RedisJSON.
pub(in crate::transport::memory) type Members = IndexMap<Box<str>, Json>;

/// A JSON value. Integers and floats are kept apart.
#[derive(Clone, Default)]
pub(in crate::transport::memory) enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Box<Members>),
}

/// The bytes of an object beside its members: two tables and a hasher.
const OBJECT: usize = size_of::<Members>() + 32;
/// The bytes of a member beside its name's bytes and its value: the name's pointer, a hash and two positions.
const MEMBER: usize = size_of::<Box<str>>() + 24;

impl Json {
    /// The name of the type, as JSON.TYPE says it.
    pub(in crate::transport::memory) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(number) if number.is_f64() => "number",
            Self::Number(_) => "integer",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// About how many bytes of memory it takes. The time is proportional to its size.
    pub(in crate::transport::memory) fn bytes(&self) -> usize {
        let inner = match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => 0,
            Self::String(text) => text.len(),
            Self::Array(items) => items.iter().map(Self::bytes).sum(),
            Self::Object(members) => {
                let sizes = members.iter().map(|(name, value)| member_bytes(name, value));
                OBJECT + sizes.sum::<usize>()
            }
        };
        size_of::<Self>() + inner
    }

    /// How many containers lie in each other. The time is proportional to its size.
    pub(in crate::transport::memory) fn depth(&self) -> usize {
        match self {
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.values().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// How many elements or members it has; none if it is no container.
    pub(in crate::transport::memory) fn length(&self) -> Option<usize> {
        match self {
            Self::Array(items) => Some(items.len()),
            Self::Object(members) => Some(members.len()),
            _ => None,
        }
    }
}

/// About how many bytes a member of an object takes.
pub(super) fn member_bytes(name: &str, value: &Json) -> usize {
    MEMBER + name.len() + value.bytes()
}
