use bytes::Bytes;

use super::replies::length;
use crate::command::lists::End;
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::collections::List;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "LINDEX" 3 |db, args| {
        let Some(list) = db.read::<List>(args.at(0)?)? else {
            return Ok(Value::Nil);
        };
        let index = args.int(1)?;
        Ok(position(list, index).and_then(|at| list.get(at)).cloned().into())
    },
    "LINSERT" 5 linsert,
    "LLEN" 2 |db, args| Ok(length(db.read::<List>(args.at(0)?)?.map_or(0, List::len))),
    "LMOVE" 5 |db, args| {
        let (from, to) = (end(args, 2)?, end(args, 3)?);
        move_one(db, args.at(0)?, args.at(1)?, from, to)
    },
    "LMPOP" -4 lmpop,
    "LPOP" -2 |db, args| pop(db, args, End::Left),
    "LPOS" -3 lpos,
    "LPUSH" -3 |db, args| push(db, args, End::Left),
    "LPUSHX" -3 |db, args| push_if_there(db, args, End::Left),
    "LRANGE" 4 |db, args| {
        let (start, stop) = (args.int(1)?, args.int(2)?);
        let list = db.read::<List>(args.at(0)?)?;
        let items = list.into_iter().flat_map(|list| list.range(range(list.len(), start, stop)));
        Ok(Value::Array(items.map(|item| Value::Bulk(item.clone())).collect()))
    },
    "LREM" 4 lrem,
    "LSET" 4 |db, args| {
        let element = args.bytes(2)?;
        db.change::<List, _>(args.at(0)?, |list| {
            let is_there = position(list, args.int(1)?).is_some_and(|at| list.set(at, element));
            if is_there { Ok(()) } else { Err(Error::server("ERR index out of range")) }
        })?
        .ok_or_else(|| Error::server("ERR no such key"))?;
        Ok(Value::OK)
    },
    "LTRIM" 4 |db, args| {
        let (start, stop) = (args.int(1)?, args.int(2)?);
        db.change::<List, _>(args.at(0)?, |list| {
            let kept = range(list.len(), start, stop);
            list.trim(kept);
            Ok(())
        })?;
        Ok(Value::OK)
    },
    "RPOP" -2 |db, args| pop(db, args, End::Right),
    "RPOPLPUSH" 3 |db, args| move_one(db, args.at(0)?, args.at(1)?, End::Right, End::Left),
    "RPUSH" -3 |db, args| push(db, args, End::Right),
    "RPUSHX" -3 |db, args| push_if_there(db, args, End::Right),
];

/// The positions from `start` to `stop`, both included, negative ones counted from the end, as a range of indexes.
pub(super) fn range(length: usize, start: i64, stop: i64) -> std::ops::Range<usize> {
    let length = length as i64;
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let start = from_end(start).clamp(0, length);
    let end = from_end(stop).saturating_add(1).clamp(start, length);
    start as usize..end as usize
}

fn position(list: &List, index: i64) -> Option<usize> {
    let index = if index < 0 { index.checked_add(list.len() as i64)? } else { index };
    usize::try_from(index).ok()
}

pub(super) fn end(args: Args<'_>, at: usize) -> Result<End> {
    match args.word(at).as_str() {
        "LEFT" => Ok(End::Left),
        "RIGHT" => Ok(End::Right),
        _ => Err(syntax()),
    }
}

fn push_to(list: &mut List, end: End, element: Bytes) {
    match end {
        End::Left => list.push_front(element),
        End::Right => list.push_back(element),
    }
}

pub(super) fn pop_from(list: &mut List, end: End) -> Option<Bytes> {
    match end {
        End::Left => list.pop_front(),
        End::Right => list.pop_back(),
    }
}

fn pop_many(list: &mut List, end: End, count: usize) -> Value {
    let count = count.min(list.len());
    Value::Array((0..count).filter_map(|_| pop_from(list, end)).map(Value::Bulk).collect())
}

fn push(db: &mut Keyspace, args: Args<'_>, end: End) -> Result<Value> {
    db.update::<List, _>(args.at(0)?, |list| {
        for element in args.from(1) {
            push_to(list, end, Bytes::copy_from_slice(element));
        }
        Ok(length(list.len()))
    })
}

fn push_if_there(db: &mut Keyspace, args: Args<'_>, end: End) -> Result<Value> {
    if db.read::<List>(args.at(0)?)?.is_none() {
        return Ok(Value::Integer(0));
    }
    push(db, args, end)
}

fn pop(db: &mut Keyspace, args: Args<'_>, end: End) -> Result<Value> {
    let count = match args.len() {
        1 => None,
        2 => Some(args.count(1)?),
        _ => return Err(wrong_arity(args.command().name())),
    };
    let popped = db.change::<List, _>(args.at(0)?, |list| {
        Ok(match count {
            None => pop_from(list, end).into(),
            Some(count) => pop_many(list, end, count),
        })
    })?;
    Ok(popped.unwrap_or_default())
}

pub(super) fn move_one(
    db: &mut Keyspace,
    from: &[u8],
    to: &[u8],
    from_end: End,
    to_end: End,
) -> Result<Value> {
    if db.read::<List>(from)?.is_none() {
        return Ok(Value::Nil);
    }
    // This is checked before anything is removed.
    db.read::<List>(to)?;
    if from == to {
        let moved = db.change::<List, _>(from, |list| {
            let element = pop_from(list, from_end);
            if let Some(element) = &element {
                push_to(list, to_end, element.clone());
            }
            Ok(element)
        })?;
        return Ok(moved.flatten().into());
    }
    let element = db.change::<List, _>(from, |list| Ok(pop_from(list, from_end)))?.flatten();
    if let Some(element) = element.clone() {
        db.update::<List, _>(to, |list| {
            push_to(list, to_end, element);
            Ok(())
        })?;
    }
    Ok(element.into())
}

pub(super) fn lmpop(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (keys, at) = args.counted_keys(0, "ERR numkeys should be greater than 0")?;
    let end = end(args, at)?;
    let count = mpop_count(args, at + 1)?;
    for key in keys {
        if let Some(items) = db.change::<List, _>(key, |list| Ok(pop_many(list, end, count)))? {
            return Ok(Value::Array(vec![Value::bulk(Bytes::copy_from_slice(key)), items]));
        }
    }
    Ok(Value::Nil)
}

/// `[COUNT count]` at the end of LMPOP and ZMPOP.
pub(super) fn mpop_count(args: Args<'_>, at: usize) -> Result<usize> {
    if args.len() == at {
        return Ok(1);
    }
    if !args.is(at, "COUNT") || args.len() != at + 2 {
        return Err(syntax());
    }
    crate::transport::memory::number::int(args.at(at + 1)?)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or_else(|| Error::server("ERR count should be greater than 0"))
}

fn linsert(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let after = match args.word(1).as_str() {
        "BEFORE" => 0,
        "AFTER" => 1,
        _ => return Err(syntax()),
    };
    let (pivot, element) = (args.at(2)?, args.bytes(3)?);
    let inserted = db.change::<List, _>(args.at(0)?, |list| {
        let found = list.range(0..list.len()).position(|item| item == pivot);
        Ok(match found {
            Some(at) => {
                list.insert(at + after, element);
                length(list.len())
            }
            None => Value::Integer(-1),
        })
    })?;
    Ok(inserted.unwrap_or(Value::Integer(0)))
}

fn lrem(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (count, element) = (args.int(1)?, args.at(2)?);
    let removed = db.change::<List, _>(args.at(0)?, |list| {
        let matches = |item: &Bytes| item == element;
        let most = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
        // A negative count removes from the end, so the elements before them stay.
        let mut stay = match count {
            ..0 => {
                list.range(0..list.len()).filter(|item| matches(item)).count().saturating_sub(most)
            }
            _ => 0,
        };
        let mut removed = 0;
        list.retain(|item| {
            if removed == most || !matches(item) {
                return true;
            }
            if stay > 0 {
                stay -= 1;
                return true;
            }
            removed += 1;
            false
        });
        Ok(removed)
    })?;
    Ok(length(removed.unwrap_or(0)))
}

fn lpos(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let element = args.at(1)?;
    let (mut rank, mut count, mut most) = (1, None, 0);
    for at in (2..args.len()).step_by(2) {
        args.at(at + 1)?;
        match args.word(at).as_str() {
            "RANK" => {
                rank = args.int(at + 1)?;
                if rank == 0 {
                    return Err(Error::server(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                         negative to start from the end of the list",
                    ));
                }
            }
            "COUNT" => {
                count = Some(
                    usize::try_from(args.int(at + 1)?)
                        .map_err(|_| Error::server("ERR COUNT can't be negative"))?,
                );
            }
            "MAXLEN" => {
                most = usize::try_from(args.int(at + 1)?)
                    .map_err(|_| Error::server("ERR MAXLEN can't be negative"))?;
            }
            _ => return Err(syntax()),
        }
    }
    let list = db.read::<List>(args.at(0)?)?;
    let size = list.map_or(0, List::len);
    let most = if most == 0 { size } else { most.min(size) };
    let skipped = (rank.unsigned_abs() - 1) as usize;
    let wanted = match count {
        None => 1,
        Some(0) => usize::MAX,
        Some(count) => count,
    };
    let order: Box<dyn Iterator<Item = usize>> =
        if rank > 0 { Box::new(0..size) } else { Box::new((0..size).rev()) };
    let found: Vec<Value> = order
        .take(most)
        .filter(|at| list.and_then(|list| list.get(*at)).is_some_and(|item| item == element))
        .skip(skipped)
        .take(wanted)
        .map(length)
        .collect();
    Ok(match count {
        Some(_) => Value::Array(found),
        None => found.into_iter().next().unwrap_or_default(),
    })
}
