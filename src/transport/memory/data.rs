//! A value of any type.

use bytes::Bytes;

use super::collections::{Hash, List, Set};
use super::sorted_set::SortedSet;
use super::stream::Stream;

#[derive(Clone)]
pub(super) enum Data {
    String(Bytes),
    List(List),
    Hash(Hash),
    Set(Set),
    SortedSet(SortedSet),
    Stream(Stream),
}

impl Data {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::SortedSet(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }
}
