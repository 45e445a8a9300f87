//! Values, as they are read. What is read is complete and has no element twice, or it is refused.

use bytes::Bytes;

use super::kind;
use super::listpack::{Element, Listpack};
use super::reader::{Failure, Reader, malformed};
use super::stream;
use crate::transport::memory::collections::{Hash, List, Set};
use crate::transport::memory::data::Data;
use crate::transport::memory::number;
use crate::transport::memory::sorted_set::SortedSet;

/// The latest time at which a field may expire, in milliseconds, as for HPEXPIREAT.
const LATEST: u64 = (1 << 46) - 1;

/// Reads a value of this encoding.
pub(super) fn value(reader: &mut Reader<'_>, encoding: u8) -> Result<Data, Failure> {
    Ok(match encoding {
        kind::STRING => Data::String(reader.string()?),
        kind::LIST | kind::LIST_QUICKLIST => Data::List(list(reader, encoding)?),
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => Data::Set(set(reader, encoding)?),
        kind::ZSET | kind::ZSET_LISTPACK => Data::SortedSet(sorted_set(reader, encoding)?),
        kind::HASH | kind::HASH_LIFETIMES => {
            Data::Hash(hash(reader, encoding == kind::HASH_LIFETIMES)?)
        }
        kind::HASH_LISTPACK | kind::HASH_LISTPACK_LIFETIMES => {
            Data::Hash(packed_hash(reader, encoding == kind::HASH_LISTPACK_LIFETIMES)?)
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => {
            Data::Stream(stream::read(reader, encoding)?)
        }
        _ => return malformed("a value has a type or an encoding that is not supported"),
    })
}

/// Refuses a collection without elements, which Redis does not keep.
fn filled<T>(collection: T, length: usize) -> Result<T, Failure> {
    match length {
        0 => malformed("a collection is empty"),
        _ => Ok(collection),
    }
}

fn list(reader: &mut Reader<'_>, encoding: u8) -> Result<List, Failure> {
    /// A node that is one element, and one that holds several.
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let mut list = List::default();
    for _ in 0..reader.count()? {
        let form = match encoding {
            kind::LIST_QUICKLIST => reader.length()?,
            _ => PLAIN,
        };
        match form {
            PLAIN => list.push_back(reader.string()?),
            PACKED => {
                let mut node = Listpack::new(reader.string()?)?;
                while node.left() > 0 {
                    list.push_back(node.bytes()?);
                }
            }
            _ => return malformed("a node of a list has an unknown form"),
        }
    }
    let length = list.len();
    filled(list, length)
}

fn set(reader: &mut Reader<'_>, encoding: u8) -> Result<Set, Failure> {
    let mut set = Set::default();
    let mut add = |member: Bytes| match set.insert(member) {
        true => Ok(()),
        false => malformed("a set has a member twice"),
    };
    match encoding {
        kind::SET_LISTPACK => {
            let mut members = Listpack::new(reader.string()?)?;
            while members.left() > 0 {
                add(members.bytes()?)?;
            }
        }
        kind::SET_INTSET => integers(&reader.string()?, |number| add(number.to_string().into()))?,
        _ => {
            for _ in 0..reader.count()? {
                add(reader.string()?)?;
            }
        }
    }
    let length = set.len();
    filled(set, length)
}

/// The numbers of an intset: how many bytes each takes, how many they are, and all of them in order.
fn integers(bytes: &[u8], mut add: impl FnMut(i64) -> Result<(), Failure>) -> Result<(), Failure> {
    let wrong = "a set of integers has another length than it says";
    let Some((head, numbers)) = bytes.split_first_chunk::<8>() else { return malformed(wrong) };
    let [a, b, c, d, counts @ ..] = *head;
    let (width, count) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(counts));
    if !matches!(width, 2 | 4 | 8) || u64::from(width) * u64::from(count) != numbers.len() as u64 {
        return malformed(wrong);
    }
    for number in numbers.chunks_exact(width as usize) {
        // The highest byte has the sign.
        let is_negative = number.last().is_some_and(|highest| *highest >= 0x80);
        let mut wide = [if is_negative { 0xff } else { 0 }; 8];
        wide[..number.len()].copy_from_slice(number);
        add(i64::from_le_bytes(wide))?;
    }
    Ok(())
}

fn sorted_set(reader: &mut Reader<'_>, encoding: u8) -> Result<SortedSet, Failure> {
    let mut set = SortedSet::default();
    let mut add = |member: Bytes, score: f64| {
        if score.is_nan() || set.score(&member).is_some() {
            return malformed("a sorted set has a member twice, or one without a score");
        }
        set.insert(member, score);
        Ok(())
    };
    if encoding == kind::ZSET_LISTPACK {
        let mut members = Listpack::new(reader.string()?)?;
        while members.left() > 0 {
            let member = members.bytes()?;
            let score = match members.next()? {
                Element::Integer(number) => number as f64,
                Element::Text(text) => number::float(&text).unwrap_or(f64::NAN),
            };
            add(member, score)?;
        }
    } else {
        for _ in 0..reader.count()? {
            let member = reader.string()?;
            add(member, f64::from_le_bytes(reader.array()?))?;
        }
    }
    let length = set.len();
    filled(set, length)
}

/// Adds a field that is not there yet. A time of 0 is none.
fn add_field(
    hash: &mut Hash,
    field: Bytes,
    value: Bytes,
    expires_at: Option<u64>,
) -> Result<(), Failure> {
    if hash.contains(&field) {
        return malformed("a hash has a field twice");
    }
    if expires_at.is_some_and(|at| at > LATEST) {
        return malformed("a field of a hash expires too late");
    }
    hash.replace(field.clone(), value);
    if expires_at.is_some() {
        hash.set_expiry(&field, expires_at);
    }
    Ok(())
}

fn hash(reader: &mut Reader<'_>, lifetimes: bool) -> Result<Hash, Failure> {
    let mut hash = Hash::default();
    let first_expiry = match lifetimes {
        true => reader.millis()?.unwrap_or(0),
        false => 0,
    };
    for _ in 0..reader.count()? {
        let from_first = match lifetimes {
            true => reader.length()?,
            false => 0,
        };
        let expires_at = from_first.checked_sub(1).map(|after| first_expiry.saturating_add(after));
        let (field, value) = (reader.string()?, reader.string()?);
        add_field(&mut hash, field, value, expires_at)?;
    }
    let length = hash.len();
    filled(hash, length)
}

fn packed_hash(reader: &mut Reader<'_>, lifetimes: bool) -> Result<Hash, Failure> {
    let mut hash = Hash::default();
    if lifetimes {
        // When the first field expires, which the fields tell too.
        reader.millis()?;
    }
    let mut fields = Listpack::new(reader.string()?)?;
    while fields.left() > 0 {
        let (field, value) = (fields.bytes()?, fields.bytes()?);
        let expires_at = match lifetimes {
            true => u64::try_from(fields.integer()?).ok().filter(|at| *at > 0),
            false => None,
        };
        add_field(&mut hash, field, value, expires_at)?;
    }
    let length = hash.len();
    filled(hash, length)
}
