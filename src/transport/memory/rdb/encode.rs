//! Values, as they are written.

use super::kind;
use super::lengths::{put_length, put_string};
use super::stream;
use crate::transport::memory::collections::Hash;
use crate::transport::memory::data::Data;

/// The encoding in which a value is written.
pub(super) fn kind_of(data: &Data) -> u8 {
    match data {
        Data::String(_) => kind::STRING,
        Data::List(_) => kind::LIST,
        Data::Set(_) => kind::SET,
        Data::SortedSet(_) => kind::ZSET,
        Data::Hash(hash) if hash.next_expiry().is_some() => kind::HASH_LIFETIMES,
        Data::Hash(_) => kind::HASH,
        Data::Stream(stream) if stream::has_activity(stream) => kind::STREAM_3,
        Data::Stream(_) => kind::STREAM_2,
    }
}

/// The oldest version of the format that has this encoding, and is not older than Redis 7.0.
pub(super) fn version_of(kind: u8) -> u16 {
    match kind {
        kind::HASH_LIFETIMES => 12,
        kind::STREAM_3 => 11,
        _ => 10,
    }
}

/// Writes a value, without its encoding.
pub(super) fn put_value(out: &mut Vec<u8>, data: &Data) {
    match data {
        Data::String(text) => put_string(out, text),
        Data::List(list) => {
            put_length(out, list.len() as u64);
            list.range(0..list.len()).for_each(|element| put_string(out, element));
        }
        Data::Set(set) => {
            put_length(out, set.len() as u64);
            set.iter().for_each(|member| put_string(out, member));
        }
        Data::SortedSet(set) => {
            put_length(out, set.len() as u64);
            for (member, score) in set.iter() {
                put_string(out, member);
                out.extend(score.to_le_bytes());
            }
        }
        Data::Hash(hash) => put_hash(out, hash),
        Data::Stream(entries) => stream::put(out, entries),
    }
}

fn put_hash(out: &mut Vec<u8>, hash: &Hash) {
    let first_expiry = hash.next_expiry();
    if let Some(first) = first_expiry {
        out.extend(first.to_le_bytes());
    }
    put_length(out, hash.len() as u64);
    for (field, value) in hash.iter() {
        if let Some(first) = first_expiry {
            // 0 stands for none.
            let from_first = hash.expiry(field).map(|at| at.saturating_sub(first) + 1);
            put_length(out, from_first.unwrap_or(0));
        }
        put_string(out, field);
        put_string(out, value);
    }
}
