//! Streams. Compared with Redis 8.

mod add;
mod claim;
mod delete;
mod delete_by_policy;
mod group;
mod info;
mod range;
mod read;
mod replies;

pub(super) use self::delete::xtrim_exactly;
pub(super) use self::read::xreadgroup_by_strangers;
use super::replies::length;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::stream::Stream;

pub(super) const HANDLERS: &[Handler] = on_keys![
    "XACK" -4 group::xack,
    "XACKDEL" -6 delete_by_policy::xackdel,
    "XADD" -5 add::xadd,
    "XAUTOCLAIM" -6 claim::xautoclaim,
    "XCLAIM" -6 claim::xclaim,
    "XDEL" -3 delete::xdel,
    "XDELEX" -5 delete_by_policy::xdelex,
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
