use bytes::Bytes;

use super::keys::{Scan, page};
use super::replies::length;
use super::sets::random_picks;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::collections::Hash;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::number;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "HDEL" -3 |db, args| {
        let removed = db.change::<Hash, _>(args.at(0)?, |hash| {
            Ok(args.from(1).filter(|field| hash.remove(field).is_some()).count())
        })?;
        Ok(length(removed.unwrap_or(0)))
    },
    "HEXISTS" 3 |db, args| Ok(field(db, args)?.is_some().into()),
    "HGET" 3 |db, args| Ok(field(db, args)?.cloned().into()),
    "HGETALL" 2 |db, args| items(db, args, true, true),
    "HINCRBY" 4 hincrby,
    "HINCRBYFLOAT" 4 hincrbyfloat,
    "HKEYS" 2 |db, args| items(db, args, true, false),
    "HLEN" 2 |db, args| Ok(length(db.read::<Hash>(args.at(0)?)?.map_or(0, Hash::len))),
    "HMGET" -3 |db, args| {
        let hash = db.read::<Hash>(args.at(0)?)?;
        let value = |field| hash.and_then(|hash| hash.get(field)).cloned().into();
        Ok(Value::Array(args.from(1).map(value).collect()))
    },
    "HMSET" -4 |db, args| {
        hset(db, args)?;
        Ok(Value::OK)
    },
    "HRANDFIELD" -2 hrandfield,
    "HSCAN" -3 hscan,
    "HSET" -4 |db, args| hset(db, args).map(length),
    "HSETNX" 4 |db, args| {
        let (field, value) = (args.bytes(1)?, args.bytes(2)?);
        db.update::<Hash, _>(args.at(0)?, |hash| {
            let free = !hash.contains(&field);
            if free {
                hash.insert(field, value);
            }
            Ok(free.into())
        })
    },
    "HSTRLEN" 3 |db, args| Ok(length(field(db, args)?.map_or(0, Bytes::len))),
    "HVALS" 2 |db, args| items(db, args, false, true),
];

fn field<'a>(db: &'a Keyspace, args: Args<'_>) -> Result<Option<&'a Bytes>> {
    let hash = db.read::<Hash>(args.at(0)?)?;
    let field = args.at(1)?;
    Ok(hash.and_then(|hash| hash.get(field)))
}

fn items(db: &Keyspace, args: Args<'_>, fields: bool, values: bool) -> Result<Value> {
    let hash = db.read::<Hash>(args.at(0)?)?;
    let items = hash.into_iter().flat_map(Hash::iter).flat_map(|(field, value)| {
        [fields.then_some(field), values.then_some(value)].into_iter().flatten()
    });
    Ok(Value::Array(items.map(|item| Value::Bulk(item.clone())).collect()))
}

fn hset(db: &mut Keyspace, args: Args<'_>) -> Result<usize> {
    let pairs = args.pairs(1)?;
    db.update::<Hash, _>(args.at(0)?, |hash| {
        Ok(pairs
            .filter(|(field, value)| hash.insert(field.clone(), value.clone()).is_none())
            .count())
    })
}

fn hincrby(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (field, by) = (args.bytes(1)?, args.int(2)?);
    db.update::<Hash, _>(args.at(0)?, |hash| {
        let old = match hash.get(&field) {
            Some(text) => number::int(text)
                .ok_or_else(|| Error::server("ERR hash value is not an integer"))?,
            None => 0,
        };
        let new = old
            .checked_add(by)
            .ok_or_else(|| Error::server("ERR increment or decrement would overflow"))?;
        hash.replace(field, new.to_string().into());
        Ok(new.into())
    })
}

fn hincrbyfloat(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (field, by) = (args.bytes(1)?, args.at(2)?);
    args.float(2)?;
    db.update::<Hash, _>(args.at(0)?, |hash| {
        let old = hash.get(&field).cloned().unwrap_or(Bytes::from_static(b"0"));
        number::float(&old).ok_or_else(|| Error::server("ERR hash value is not a float"))?;
        let new = number::add_decimals(&old, by)
            .ok_or_else(|| Error::server("ERR increment would produce NaN or Infinity"))?;
        let new = Bytes::from(new);
        hash.replace(field, new.clone());
        Ok(new.into())
    })
}

fn hrandfield(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut random = db.random.fork();
    let with_values = args.is(2, "WITHVALUES");
    if args.len() > 3 || (args.len() == 3 && !with_values) {
        return Err(syntax());
    }
    let count = if args.len() > 1 { Some(args.int(1)?) } else { None };
    let hash = db.read::<Hash>(args.at(0)?)?;
    let Some(count) = count else {
        let field = hash.and_then(|hash| hash.get_index(random.usize(..hash.len())));
        return Ok(field.map(|(field, _)| field.clone()).into());
    };
    let mut items = Vec::new();
    if let Some(hash) = hash {
        for at in random_picks(&mut random, hash.len(), count)? {
            if let Some((field, value)) = hash.get_index(at) {
                items.push(Value::Bulk(field.clone()));
                if with_values {
                    items.push(Value::Bulk(value.clone()));
                }
            }
        }
    }
    Ok(Value::Array(items))
}

fn hscan(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let cursor = Scan::cursor(args, 1)?;
    let scan = Scan::parse(args, 2)?;
    let hash = db.read::<Hash>(args.at(0)?)?;
    Ok(page(hash.map_or(0, Hash::len), cursor, scan.count, |at, items| {
        let found = hash.and_then(|hash| hash.get_index(at));
        if let Some((field, value)) = found.filter(|(field, _)| scan.wants(field)) {
            items.extend([field, value].map(|item| Value::Bulk(item.clone())));
        }
    }))
}
