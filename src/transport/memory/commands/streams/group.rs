//! XGROUP, XACK and XPENDING.

use std::collections::btree_map::Entry;

use super::super::replies::{length, unknown_subcommand};
use super::replies::{bad_subcommand, count_at, no_group};
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::keyspace::{Data, Keyspace};
use crate::transport::memory::stream::{Group, Pending, Stream, StreamId};
use crate::{Error, Result, Value};

pub(super) fn xgroup(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("CREATE", 4..) => create(db, args),
        ("SETID", 4 | 6) => set_id(db, args),
        ("DESTROY", 3) => {
            existing(db, args)?;
            let removed = db.change::<Stream, _>(args.at(1)?, |stream| {
                Ok(stream.groups.remove(args.at(2)?).is_some())
            })?;
            Ok(removed.unwrap_or(false).into())
        }
        ("CREATECONSUMER", 4) => {
            let (name, now) = (args.bytes(3)?, db.now());
            with_group(db, args, |group| {
                let is_new = !group.consumers.contains_key(&name);
                if is_new {
                    group.seen(&name, now);
                }
                Ok(is_new.into())
            })
        }
        ("DELCONSUMER", 4) => with_group(db, args, |group| {
            Ok(length(group.remove_consumer(args.at(3)?).unwrap_or(0)))
        }),
        ("CREATE" | "SETID" | "DESTROY" | "CREATECONSUMER" | "DELCONSUMER", _) => {
            Err(wrong_arity(&format!("xgroup|{word}")))
        }
        _ => Err(unknown_subcommand("XGROUP", args)),
    }
}

fn existing<'a>(db: &'a Keyspace, args: Args<'_>) -> Result<&'a Stream> {
    db.read::<Stream>(args.at(1)?)?.ok_or_else(|| {
        Error::server(
            "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
             to create an empty stream automatically.",
        )
    })
}

fn with_group(
    db: &mut Keyspace,
    args: Args<'_>,
    run: impl FnOnce(&mut Group) -> Result<Value>,
) -> Result<Value> {
    existing(db, args)?;
    let (key, name) = (args.at(1)?, args.at(2)?);
    let done = db.change::<Stream, _>(key, |stream| match stream.groups.get_mut(name) {
        Some(group) => run(group),
        None => {
            let (key, name) = (String::from_utf8_lossy(key), String::from_utf8_lossy(name));
            Err(Error::server(&format!(
                "NOGROUP No such consumer group '{name}' for key name '{key}'"
            )))
        }
    })?;
    Ok(done.unwrap_or_default())
}

/// `[MKSTREAM] [ENTRIESREAD count]` from a position on.
fn options(args: Args<'_>, mut at: usize, creates: bool) -> Result<(bool, Option<u64>)> {
    let (mut mkstream, mut entries_read) = (false, None);
    while at < args.len() {
        match args.word(at).as_str() {
            "MKSTREAM" if creates => {
                mkstream = true;
                at += 1;
            }
            "ENTRIESREAD" if args.len() > at + 1 => {
                let count = args.int(at + 1)?;
                if count < -1 {
                    return Err(Error::server("ERR value for ENTRIESREAD must be positive or -1"));
                }
                entries_read = u64::try_from(count).ok();
                at += 2;
            }
            _ => return Err(bad_subcommand("XGROUP", args)),
        }
    }
    Ok((mkstream, entries_read))
}

fn create(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (mkstream, entries_read) = options(args, 4, true)?;
    let stream = match db.read::<Stream>(args.at(1)?)? {
        None if mkstream => None,
        _ => Some(existing(db, args)?),
    };
    let id = match args.at(3)? {
        b"$" => stream.map_or(StreamId::MIN, |stream| stream.last_id),
        id => StreamId::parse_exact(id, 0)?,
    };
    if stream.is_none() {
        db.put(args.bytes(1)?, Data::Stream(Stream::default()), None);
    }
    let created =
        db.change::<Stream, _>(args.at(1)?, |stream| match stream.groups.entry(args.bytes(2)?) {
            Entry::Occupied(_) => {
                Err(Error::server("BUSYGROUP Consumer Group name already exists"))
            }
            Entry::Vacant(place) => {
                place.insert(Group::new(id, entries_read));
                Ok(Value::OK)
            }
        })?;
    Ok(created.unwrap_or_default())
}

fn set_id(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (_, entries_read) = options(args, 4, false)?;
    let last = existing(db, args)?.last_id;
    with_group(db, args, |group| {
        group.last_id = match args.at(3)? {
            b"$" => last,
            id => StreamId::parse(id, 0)?,
        };
        group.entries_read = entries_read;
        Ok(Value::OK)
    })
}

pub(super) fn xack(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let has_group = db.read::<Stream>(args.at(0)?)?.is_some_and(|stream| match args.at(1) {
        Ok(name) => stream.groups.contains_key(name),
        Err(_) => false,
    });
    if !has_group {
        return Ok(Value::Integer(0));
    }
    let ids: Vec<StreamId> =
        args.from(2).map(|text| StreamId::parse_exact(text, 0)).collect::<Result<_>>()?;
    let released = db.change::<Stream, _>(args.at(0)?, |stream| {
        let group = stream.groups.get_mut(args.at(1)?);
        Ok(group.map_or(0, |group| ids.into_iter().filter(|id| group.release(*id)).count()))
    })?;
    Ok(length(released.unwrap_or(0)))
}

pub(super) fn xpending(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (key, name) = (args.at(0)?, args.at(1)?);
    if args.len() == 2 {
        return summary(group_of(db, key, name)?);
    }
    if args.len() < 5 || args.len() > 8 {
        return Err(syntax());
    }
    let (mut least_idle, mut at) = (None, 2);
    if args.is(2, "IDLE") {
        least_idle = Some(u64::try_from(args.int(3)?).unwrap_or(0));
        if args.len() < 7 {
            return Err(syntax());
        }
        at = 4;
    }
    let count = count_at(args, at + 2)?;
    let start = StreamId::parse_start(args.at(at)?)?;
    let end = StreamId::parse_end(args.at(at + 1)?)?;
    // Redis ignores what follows the name.
    let consumer = args.get(at + 3);
    let group = group_of(db, key, name)?;
    if start > end {
        return Ok(Value::Array(Vec::new()));
    }
    let now = db.now();
    let wanted = |pending: &Pending| {
        consumer.is_none_or(|name| pending.consumer == name)
            && least_idle.is_none_or(|idle| now.saturating_sub(pending.delivered_at) >= idle)
    };
    let found = group.pending.range(start..=end).filter(|(_, pending)| wanted(pending)).take(count);
    Ok(Value::Array(
        found
            .map(|(id, pending)| {
                Value::Array(vec![
                    (*id).into(),
                    Value::Bulk(pending.consumer.clone()),
                    Value::Integer(now.saturating_sub(pending.delivered_at) as i64),
                    Value::Integer(pending.deliveries as i64),
                ])
            })
            .collect(),
    ))
}

fn group_of<'a>(db: &'a Keyspace, key: &[u8], name: &[u8]) -> Result<&'a Group> {
    let stream = db.read::<Stream>(key)?;
    stream.and_then(|stream| stream.groups.get(name)).ok_or_else(|| no_group(key, name))
}

fn summary(group: &Group) -> Result<Value> {
    let ends = group.pending.first_key_value().zip(group.pending.last_key_value());
    let Some(((first, _), (last, _))) = ends else {
        return Ok(Value::Array(vec![Value::Integer(0), Value::Nil, Value::Nil, Value::Nil]));
    };
    let consumers = group.consumers.iter().filter(|(_, consumer)| !consumer.pending.is_empty());
    let consumers = consumers.map(|(name, consumer)| {
        let count = Value::bulk(consumer.pending.len().to_string());
        Value::Array(vec![Value::Bulk(name.clone()), count])
    });
    Ok(Value::Array(vec![
        length(group.pending.len()),
        (*first).into(),
        (*last).into(),
        Value::Array(consumers.collect()),
    ]))
}
