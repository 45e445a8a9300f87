//! Streams. Compared with Redis 8.

mod add;
mod claim;
mod delete;
mod group;
mod info;
mod range;
mod read;

use super::replies::length;
use crate::transport::memory::args::Args;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::stream::{Fields, Stream, StreamId};
use crate::{Error, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "XACK" -4 group::xack,
    "XADD" -5 add::xadd,
    "XAUTOCLAIM" -6 claim::xautoclaim,
    "XCLAIM" -6 claim::xclaim,
    "XDEL" -3 delete::xdel,
    "XGROUP" -2 group::xgroup,
    "XINFO" -2 info::xinfo,
    "XLEN" 2 |db, args| Ok(length(db.read::<Stream>(args.at(0)?)?.map_or(0, Stream::len))),
    "XPENDING" -3 group::xpending,
    "XRANGE" -4 |db, args| range::xrange(db, args, false),
    "XREAD" -4 read::xread,
    "XREADGROUP" -7 read::xreadgroup,
    "XREVRANGE" -4 |db, args| range::xrange(db, args, true),
    "XSETID" -3 add::xsetid,
    "XTRIM" -4 delete::xtrim,
];

/// An entry, as replies show it.
fn entry(id: StreamId, fields: &Fields) -> Value {
    let parts = fields.iter().flat_map(|(field, value)| [field, value]);
    let parts = parts.map(|part| Value::Bulk(part.clone())).collect();
    Value::Array(vec![id.into(), Value::Array(parts)])
}

/// Names and values in turn, as replies show a map.
fn map(fields: Vec<(&'static str, Value)>) -> Value {
    Value::Array(fields.into_iter().flat_map(|(name, value)| [Value::bulk(name), value]).collect())
}

fn no_group(key: &[u8], group: &[u8]) -> Error {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    Error::server(&format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
}

/// `COUNT count` at a position: a negative count is none.
fn count_at(args: Args<'_>, at: usize) -> crate::Result<usize> {
    Ok(usize::try_from(args.int(at)?).unwrap_or(0))
}
