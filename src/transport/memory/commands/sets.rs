use bytes::Bytes;
use indexmap::IndexSet;

use super::keys::{Scan, page};
use super::replies::length;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::collections::Set;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::steps;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "SADD" -3 |db, args| db.update::<Set, _>(args.at(0)?, |set| {
        Ok(length(args.from(1).filter(|member| set.insert(Bytes::copy_from_slice(member))).count()))
    }),
    "SCARD" 2 |db, args| Ok(length(db.read::<Set>(args.at(0)?)?.map_or(0, Set::len))),
    "SDIFF" -2 |db, args| Ok(members(difference(db, args.from(0))?.iter().cloned())),
    "SDIFFSTORE" -3 |db, args| {
        let set = difference(db, args.from(1))?;
        store(db, args, set)
    },
    "SINTER" -2 |db, args| {
        let mut found = Vec::new();
        intersection(db, args.from(0), |member| {
            found.push(member.clone());
            true
        })?;
        Ok(members(found.into_iter()))
    },
    "SINTERCARD" -3 sintercard,
    "SINTERSTORE" -3 |db, args| {
        let mut set = Set::default();
        intersection(db, args.from(1), |member| {
            set.insert(member.clone());
            true
        })?;
        store(db, args, set)
    },
    "SISMEMBER" 3 |db, args| {
        let member = args.at(1)?;
        Ok(db.read::<Set>(args.at(0)?)?.is_some_and(|set| set.contains(member)).into())
    },
    "SMEMBERS" 2 |db, args| {
        let set = db.read::<Set>(args.at(0)?)?;
        Ok(members(set.into_iter().flat_map(Set::iter).cloned()))
    },
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
            Ok(args.from(1).filter(|member| set.remove(member)).count())
        })?;
        Ok(length(removed.unwrap_or(0)))
    },
    "SSCAN" -3 |db, args| {
        let cursor = Scan::cursor(args, 1)?;
        let scan = Scan::parse(args, 2)?;
        let set = db.read::<Set>(args.at(0)?)?;
        Ok(page(set.map_or(0, Set::len), cursor, scan.count, |at, items| {
            let member = set.and_then(|set| set.get_index(at));
            items.extend(member.filter(|member| scan.wants(member)).cloned().map(Value::Bulk));
        }))
    },
    "SUNION" -2 |db, args| Ok(members(union(db, args.from(0))?.iter().cloned())),
    "SUNIONSTORE" -3 |db, args| {
        let set = union(db, args.from(1))?;
        store(db, args, set)
    },
];

fn members(members: impl Iterator<Item = Bytes>) -> Value {
    Value::Array(members.map(Value::Bulk).collect())
}

fn store(db: &mut Keyspace, args: Args<'_>, set: Set) -> Result<Value> {
    let size = length(set.len());
    db.put_collection(args.at(0)?, set);
    Ok(size)
}

/// The sets of all keys. The types of all values are checked before any is used.
fn sets<'a, 'k>(
    db: &'a Keyspace,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<Option<&'a Set>>> {
    keys.map(|key| db.read::<Set>(key)).collect()
}

fn union<'k>(db: &Keyspace, keys: impl Iterator<Item = &'k [u8]>) -> Result<Set> {
    Ok(sets(db, keys)?.into_iter().flatten().flat_map(Set::iter).cloned().collect())
}

/// Passes each member that is in all sets to the function, until that returns `false`.
fn intersection<'k>(
    db: &Keyspace,
    keys: impl Iterator<Item = &'k [u8]>,
    found: impl FnMut(&Bytes) -> bool,
) -> Result<()> {
    // An absent key makes the result empty.
    let Some(mut sets) = sets(db, keys)?.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    sets.sort_by_key(|set| set.len());
    if let Some((smallest, others)) = sets.split_first() {
        let mut in_all =
            smallest.iter().filter(|member| others.iter().all(|set| set.contains(member)));
        in_all.all(found);
    }
    Ok(())
}

fn difference<'k>(db: &Keyspace, keys: impl Iterator<Item = &'k [u8]>) -> Result<Set> {
    let sets = sets(db, keys)?;
    let Some((Some(first), others)) = sets.split_first() else {
        return Ok(Set::default());
    };
    let others: Vec<&Set> = others.iter().copied().flatten().collect();
    let total: usize = others.iter().map(|set| set.len()).sum();
    // The cheaper way is taken: to look each member up in all other sets, or to remove the members of all other sets.
    if first.len().saturating_mul(others.len()) <= first.len().saturating_add(total) {
        let in_none = |member: &&Bytes| !others.iter().any(|set| set.contains(member));
        return Ok(first.iter().filter(in_none).cloned().collect());
    }
    let mut left = (*first).clone();
    for member in others.into_iter().flat_map(Set::iter) {
        left.remove(member);
    }
    Ok(left)
}

fn sintercard(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (keys, at) = intercard_keys(args)?;
    let limit = intercard_limit(args, at)?;
    let mut size = 0;
    intersection(db, keys.into_iter(), |_| {
        size += 1;
        size < limit
    })?;
    Ok(length(size))
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
        2 if args.is(at, "LIMIT") => crate::transport::memory::number::int(args.at(at + 1)?)
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
    let moved = db.change::<Set, _>(from, |set| Ok(set.remove(&member)))?.unwrap_or(false);
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
        let mut pop = |set: &mut Set| set.remove_index(random.usize(..set.len()));
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

/// Indexes of random items: up to `count` different ones, or with a negative count exactly that many, perhaps repeated.
pub(super) fn random_picks(
    random: &mut fastrand::Rng,
    size: usize,
    count: i64,
) -> Result<Vec<usize>> {
    /// Redis accepts any number. Here a bad argument must not use up all memory.
    const MAX_REPEATED: u64 = 1024 * 1024;
    if size == 0 {
        return Ok(Vec::new());
    }
    if let Ok(count) = usize::try_from(count) {
        // Drawing until enough are different takes long only if most of them are wanted.
        if count.saturating_mul(3) > size {
            steps::count(size);
            return Ok(random.choose_multiple(0..size, count.min(size)));
        }
        let mut picks = IndexSet::with_capacity(count);
        while picks.len() < count {
            steps::count(1);
            picks.insert(random.usize(..size));
        }
        return Ok(picks.into_iter().collect());
    }
    let repeated = count.unsigned_abs();
    if repeated > MAX_REPEATED {
        return Err(Error::server("ERR value is out of range"));
    }
    Ok((0..repeated).map(|_| random.usize(..size)).collect())
}
