use bytes::Bytes;

use super::args::{Args, syntax};
use super::engine::{Handler, on_keys};
use super::keys::{Scan, whole_page};
use super::keyspace::{Keyspace, Set};
use super::strings::length;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "SADD" -3 |db, args| db.update::<Set, _>(args.at(0)?, |set| {
        Ok(length(args.from(1).filter(|member| set.insert(Bytes::copy_from_slice(member))).count()))
    }),
    "SCARD" 2 |db, args| Ok(length(db.read::<Set>(args.at(0)?)?.map_or(0, Set::len))),
    "SDIFF" -2 |db, args| Ok(members(difference(db, args.from(0))?)),
    "SDIFFSTORE" -3 |db, args| {
        let set = difference(db, args.from(1))?;
        store(db, args, set)
    },
    "SINTER" -2 |db, args| Ok(members(intersection(db, args.from(0))?)),
    "SINTERCARD" -3 sintercard,
    "SINTERSTORE" -3 |db, args| {
        let set = intersection(db, args.from(1))?;
        store(db, args, set)
    },
    "SISMEMBER" 3 |db, args| {
        let member = args.at(1)?;
        Ok(db.read::<Set>(args.at(0)?)?.is_some_and(|set| set.contains(member)).into())
    },
    "SMEMBERS" 2 |db, args| Ok(members(db.read::<Set>(args.at(0)?)?.cloned().unwrap_or_default())),
    "SMISMEMBER" -3 |db, args| {
        let set = db.read::<Set>(args.at(0)?)?;
        let there = |member| set.is_some_and(|set| set.contains(member));
        Ok(Value::Array(args.from(1).map(|member| there(member).into()).collect()))
    },
    "SMOVE" 4 smove,
    "SPOP" -2 spop,
    "SRANDMEMBER" -2 srandmember,
    "SREM" -3 |db, args| {
        let removed = db.change::<Set, _>(args.at(0)?, |set| {
            Ok(args.from(1).filter(|member| set.swap_remove(*member)).count())
        })?;
        Ok(length(removed.unwrap_or(0)))
    },
    "SSCAN" -3 |db, args| {
        Scan::cursor(args, 1)?;
        let scan = Scan::parse(args, 2)?;
        let set = db.read::<Set>(args.at(0)?)?;
        let found = set.into_iter().flatten().filter(|member| scan.wants(member));
        Ok(whole_page(found.map(|member| Value::Bulk(member.clone())).collect()))
    },
    "SUNION" -2 |db, args| Ok(members(union(db, args.from(0))?)),
    "SUNIONSTORE" -3 |db, args| {
        let set = union(db, args.from(1))?;
        store(db, args, set)
    },
];

fn members(set: Set) -> Value {
    Value::Array(set.into_iter().map(Value::Bulk).collect())
}

fn store(db: &mut Keyspace, args: Args<'_>, set: Set) -> Result<Value> {
    let size = length(set.len());
    db.put_collection(args.at(0)?, set);
    Ok(size)
}

/// The sets of all keys, each checked for its type before any is used.
fn sets<'a, 'k>(
    db: &'a Keyspace,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<Option<&'a Set>>> {
    keys.map(|key| db.read::<Set>(key)).collect()
}

fn union<'k>(db: &Keyspace, keys: impl Iterator<Item = &'k [u8]>) -> Result<Set> {
    Ok(sets(db, keys)?.into_iter().flatten().flatten().cloned().collect())
}

fn intersection<'k>(db: &Keyspace, keys: impl Iterator<Item = &'k [u8]>) -> Result<Set> {
    // An absent key makes the result empty.
    let Some(sets) = sets(db, keys)?.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(Set::new());
    };
    let Some((smallest, at)) = sets.iter().zip(0..).min_by_key(|(set, _)| set.len()) else {
        return Ok(Set::new());
    };
    let others: Vec<_> = sets.iter().zip(0..).filter(|(_, other)| *other != at).collect();
    let in_all = |member: &&Bytes| others.iter().all(|(set, _)| set.contains(*member));
    Ok(smallest.iter().filter(in_all).cloned().collect())
}

fn difference<'k>(db: &Keyspace, keys: impl Iterator<Item = &'k [u8]>) -> Result<Set> {
    let sets = sets(db, keys)?;
    let Some((first, others)) = sets.split_first() else {
        return Ok(Set::new());
    };
    let in_none = |member: &&Bytes| !others.iter().flatten().any(|set| set.contains(*member));
    Ok(first.iter().copied().flatten().filter(in_none).cloned().collect())
}

fn sintercard(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (keys, at) = intercard_keys(args)?;
    let limit = intercard_limit(args, at)?;
    let size = intersection(db, keys.into_iter())?.len();
    Ok(length(size.min(limit)))
}

/// `numkeys key [key …]` of SINTERCARD and ZINTERCARD: the keys, and the position after them.
pub(super) fn intercard_keys(args: Args<'_>) -> Result<(Vec<&[u8]>, usize)> {
    match args.counted_keys(0, "ERR numkeys should be greater than 0") {
        Err(error) if error.message() == "ERR syntax error" => {
            Err(Error::server("ERR Number of keys can't be greater than number of args"))
        }
        other => other,
    }
}

/// `[LIMIT limit]` of SINTERCARD and ZINTERCARD.
pub(super) fn intercard_limit(args: Args<'_>, at: usize) -> Result<usize> {
    let limit = match args.len() - at {
        0 => 0,
        2 if args.is(at, "LIMIT") => super::number::int(args.at(at + 1)?)
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| Error::server("ERR LIMIT can't be negative"))?,
        _ => return Err(syntax()),
    };
    Ok(if limit == 0 { usize::MAX } else { limit })
}

fn smove(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (from, to, member) = (args.at(0)?, args.at(1)?, args.bytes(2)?);
    if db.read::<Set>(from)?.is_none() {
        return Ok(false.into());
    }
    db.read::<Set>(to)?;
    if from == to {
        let there = db.read::<Set>(from)?.is_some_and(|set| set.contains(&member));
        return Ok(there.into());
    }
    let moved = db.change::<Set, _>(from, |set| Ok(set.swap_remove(&member)))?.unwrap_or(false);
    if moved {
        db.update::<Set, _>(to, |set| Ok(set.insert(member)))?;
    }
    Ok(moved.into())
}

fn spop(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let count = match args.len() {
        1 => None,
        2 => Some(args.count(1)?),
        _ => return Err(syntax()),
    };
    let mut random = db.random.fork();
    let popped = db.change::<Set, _>(args.at(0)?, |set| {
        let mut pop = |set: &mut Set| set.swap_remove_index(random.usize(..set.len()));
        Ok(match count {
            None => pop(set).into(),
            Some(count) => Value::Array(
                (0..count.min(set.len())).filter_map(|_| pop(set)).map(Value::Bulk).collect(),
            ),
        })
    })?;
    Ok(popped.unwrap_or(if count.is_some() { Value::Array(Vec::new()) } else { Value::Nil }))
}

fn srandmember(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut random = db.random.fork();
    let count = match args.len() {
        1 => None,
        2 => Some(args.int(1)?),
        _ => return Err(syntax()),
    };
    let set = db.read::<Set>(args.at(0)?)?;
    let Some(count) = count else {
        let member = set.and_then(|set| set.get_index(random.usize(..set.len())));
        return Ok(member.cloned().into());
    };
    let Some(set) = set else {
        return Ok(Value::Array(Vec::new()));
    };
    let picks = random_picks(&mut random, set.len(), count)?;
    let members = picks.into_iter().filter_map(|at| set.get_index(at));
    Ok(Value::Array(members.map(|member| Value::Bulk(member.clone())).collect()))
}

/// Indexes of random items: up to `count` different ones, or with a negative count exactly so many, perhaps repeated.
pub(super) fn random_picks(
    random: &mut fastrand::Rng,
    size: usize,
    count: i64,
) -> Result<Vec<usize>> {
    /// What Redis's own limit on a negative count comes to; it also keeps a bad argument from taking all memory.
    const MOST: u64 = i64::MAX as u64 / 2;
    const MOST_REPEATED: u64 = 64 * 1024 * 1024;
    if size == 0 {
        return Ok(Vec::new());
    }
    if count >= 0 {
        let count = (count as usize).min(size);
        return Ok(random.choose_multiple(0..size, count));
    }
    let repeated = count.unsigned_abs();
    if repeated > MOST || repeated > MOST_REPEATED {
        return Err(Error::server("ERR value is out of range"));
    }
    Ok((0..repeated).map(|_| random.usize(..size)).collect())
}
