//! The types of values.

use bytes::Bytes;

use super::Data;
use crate::Error;
use crate::transport::memory::collections::{Hash, List, Set};
use crate::transport::memory::sorted_set::SortedSet;
use crate::transport::memory::stream::Stream;

/// A type of value: how to find it in [`Data`], and whether it is empty, since Redis keeps no empty collections.
pub(in crate::transport::memory) trait Kind: Default {
    fn of(data: &Data) -> Option<&Self>;
    fn of_mut(data: &mut Data) -> Option<&mut Self>;
    fn into_data(self) -> Data;
    fn is_empty(&self) -> bool;
}

macro_rules! kind {
    ($variant:ident, $kind:ty, $is_empty:expr) => {
        impl Kind for $kind {
            fn of(data: &Data) -> Option<&Self> {
                match data {
                    Data::$variant(value) => Some(value),
                    _ => None,
                }
            }
            fn of_mut(data: &mut Data) -> Option<&mut Self> {
                match data {
                    Data::$variant(value) => Some(value),
                    _ => None,
                }
            }
            fn into_data(self) -> Data {
                Data::$variant(self)
            }
            fn is_empty(&self) -> bool {
                let is_empty: fn(&$kind) -> bool = $is_empty;
                is_empty(self)
            }
        }
    };
}
// An empty string is a value like any other.
kind!(String, Bytes, |_| false);
kind!(List, List, |list| list.len() == 0);
kind!(Hash, Hash, |hash| hash.len() == 0);
kind!(Set, Set, |set| set.len() == 0);
kind!(SortedSet, SortedSet, |set| set.len() == 0);
// A stream without entries still has its groups and its last id.
kind!(Stream, Stream, |_| false);

pub(in crate::transport::memory) fn wrong_type() -> Error {
    Error::server("WRONGTYPE Operation against a key holding the wrong kind of value")
}
