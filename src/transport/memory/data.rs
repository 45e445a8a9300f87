//! A value of any type.

use bytes::Bytes;

use super::collections::{Hash, List, Set};
#[cfg(feature = "json")]
use super::json::Document;
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
    #[cfg(feature = "json")]
    Json(Document),
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
            #[cfg(feature = "json")]
            Self::Json(_) => "ReJSON-RL",
        }
    }
}
