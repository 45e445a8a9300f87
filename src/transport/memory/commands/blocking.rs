//! Commands that wait for data. Each handler takes what is there, and replies nil if there is nothing: how a command waits is
//! in [`blocked`](crate::transport::memory::blocked).

use bytes::Bytes;

use super::lists::{end, lmpop, move_one, pop_from};
use super::sorted_sets::{pop, show, zmpop};
use crate::command::lists::End;
use crate::transport::memory::args::Args;
use crate::transport::memory::collections::List;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::number;
use crate::transport::memory::sorted_set::SortedSet;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "BLMOVE" 6 |db, args| {
        let ends = (end(args, 2)?, end(args, 3)?);
        check_timeout(args.at(4)?)?;
        move_one(db, args.at(0)?, args.at(1)?, ends.0, ends.1)
    },
    "BLMPOP" -5 |db, args| {
        check_timeout(args.at(0)?)?;
        lmpop(db, args.without_first())
    },
    "BLPOP" -3 |db, args| list_pop(db, args, End::Left),
    "BRPOP" -3 |db, args| list_pop(db, args, End::Right),
    "BRPOPLPUSH" 4 |db, args| {
        check_timeout(args.at(2)?)?;
        move_one(db, args.at(0)?, args.at(1)?, End::Right, End::Left)
    },
    "BZMPOP" -5 |db, args| {
        check_timeout(args.at(0)?)?;
        zmpop(db, args.without_first())
    },
    "BZPOPMAX" -3 |db, args| sorted_set_pop(db, args, true),
    "BZPOPMIN" -3 |db, args| sorted_set_pop(db, args, false),
];

/// Checks a timeout in seconds.
fn check_timeout(text: &[u8]) -> Result<()> {
    let seconds = number::float(text)
        .filter(|seconds| seconds.abs() < (i64::MAX / 1000) as f64)
        .ok_or_else(|| Error::server("ERR timeout is not a float or out of range"))?;
    if seconds < 0.0 {
        return Err(Error::server("ERR timeout is negative"));
    }
    Ok(())
}

fn list_pop(db: &mut Keyspace, args: Args<'_>, end: End) -> Result<Value> {
    let timeout = args.len() - 1;
    check_timeout(args.at(timeout)?)?;
    for key in args.from(0).take(timeout) {
        let popped = db.change::<List, _>(key, |list| Ok(pop_from(list, end)))?;
        if let Some(element) = popped.flatten() {
            return Ok(Value::Array(vec![
                Value::bulk(Bytes::copy_from_slice(key)),
                Value::Bulk(element),
            ]));
        }
    }
    Ok(Value::Nil)
}

fn sorted_set_pop(db: &mut Keyspace, args: Args<'_>, highest: bool) -> Result<Value> {
    let timeout = args.len() - 1;
    check_timeout(args.at(timeout)?)?;
    for key in args.from(0).take(timeout) {
        let popped = db.change::<SortedSet, _>(key, |set| Ok(pop(set, highest, 1)))?;
        if let Some((member, score)) = popped.into_iter().flatten().next() {
            return Ok(Value::Array(vec![
                Value::bulk(Bytes::copy_from_slice(key)),
                Value::Bulk(member),
                show(score),
            ]));
        }
    }
    Ok(Value::Nil)
}
