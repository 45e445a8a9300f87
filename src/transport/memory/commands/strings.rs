use bytes::{Bytes, BytesMut};

use super::keys::{Deadline, expires_at, parse_expiry};
use super::replies::length;
use crate::transport::memory::args::{Args, not_an_integer, syntax, wrong_arity};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::{Data, Keyspace};
use crate::transport::memory::{number, steps};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "APPEND" 3 append,
    "DECR" 2 |db, args| add(db, args.at(0)?, -1),
    "DECRBY" 3 |db, args| {
        let by = args.int(1)?.checked_neg();
        add(db, args.at(0)?, by.ok_or_else(|| Error::server("ERR decrement would overflow"))?)
    },
    "DELEX" -2 delex,
    "DIGEST" 2 |db, args| Ok(db.read::<Bytes>(args.at(0)?)?.map(|value| digest(value)).into()),
    "GET" 2 |db, args| get(db, args.at(0)?),
    "GETDEL" 2 |db, args| {
        let value = get(db, args.at(0)?)?;
        db.remove(args.at(0)?);
        Ok(value)
    },
    "GETEX" -2 getex,
    "GETRANGE" 4 getrange,
    "GETSET" 3 |db, args| {
        let old = get(db, args.at(0)?)?;
        put(db, args.at(0)?, args.bytes(1)?, None);
        Ok(old)
    },
    "INCR" 2 |db, args| add(db, args.at(0)?, 1),
    "INCRBY" 3 |db, args| add(db, args.at(0)?, args.int(1)?),
    "INCRBYFLOAT" 3 incrbyfloat,
    "MGET" -2 |db, args| Ok(Value::Array(
        // MGET alone treats a value of another type as absent.
        args.from(0).map(|key| get(db, key).unwrap_or_default()).collect(),
    )),
    "MSET" -3 |db, args| {
        for (key, value) in args.pairs(0)? {
            put(db, &key, value, None);
        }
        Ok(Value::OK)
    },
    "MSETNX" -3 |db, args| {
        let pairs: Vec<_> = args.pairs(0)?.collect();
        let free = pairs.iter().all(|(key, _)| !db.contains(key));
        if free {
            for (key, value) in pairs {
                put(db, &key, value, None);
            }
        }
        Ok(free.into())
    },
    "PSETEX" 4 |db, args| set_expiring(db, args, 1),
    "SET" -3 set,
    "SETEX" 4 |db, args| set_expiring(db, args, 1000),
    "SETNX" 3 |db, args| {
        let free = !db.contains(args.at(0)?);
        if free {
            put(db, args.at(0)?, args.bytes(1)?, None);
        }
        Ok(free.into())
    },
    "SETRANGE" 4 setrange,
    // The old name of GETRANGE.
    "SUBSTR" 4 getrange,
    "STRLEN" 2 |db, args| Ok(length(db.read::<Bytes>(args.at(0)?)?.map_or(0, Bytes::len))),
];

/// Redis's default limit on a value, `proto-max-bulk-len`.
const MAX_VALUE_BYTES: usize = 512 * 1024 * 1024;

fn get(db: &Keyspace, key: &[u8]) -> Result<Value> {
    Ok(db.read::<Bytes>(key)?.cloned().into())
}

fn put(db: &mut Keyspace, key: &[u8], value: Bytes, expires_at: Option<u64>) {
    db.put(Bytes::copy_from_slice(key), Data::String(value), expires_at);
}

/// Changes the text of a value and leaves its expiry as it is.
fn replace(db: &mut Keyspace, key: &[u8], value: Bytes) -> Result<()> {
    db.update::<Bytes, _>(key, |old| {
        *old = value;
        Ok(())
    })
}

fn add(db: &mut Keyspace, key: &[u8], by: i64) -> Result<Value> {
    let old = match db.read::<Bytes>(key)? {
        Some(text) => number::int(text).ok_or_else(not_an_integer)?,
        None => 0,
    };
    let new = old
        .checked_add(by)
        .ok_or_else(|| Error::server("ERR increment or decrement would overflow"))?;
    replace(db, key, new.to_string().into())?;
    Ok(new.into())
}

fn incrbyfloat(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let key = args.at(0)?;
    let old = db.read::<Bytes>(key)?.cloned().unwrap_or(Bytes::from_static(b"0"));
    args.float(1)?;
    number::float(&old).ok_or_else(|| Error::server("ERR value is not a valid float"))?;
    let new = number::add_decimals(&old, args.at(1)?)
        .ok_or_else(|| Error::server("ERR increment would produce NaN or Infinity"))?;
    let new = Bytes::from(new);
    replace(db, key, new.clone())?;
    Ok(new.into())
}

fn append(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let tail = args.at(1)?;
    db.update::<Bytes, _>(args.at(0)?, |value| {
        check_length(value.len().saturating_add(tail.len()))?;
        edit(value, |value| value.extend_from_slice(tail));
        Ok(length(value.len()))
    })
}

/// Changes a value in place. It is copied only if another holder still needs the old value.
pub(super) fn edit(value: &mut Bytes, edit: impl FnOnce(&mut BytesMut)) {
    let mut buffer = std::mem::take(value).try_into_mut().unwrap_or_else(|shared| {
        steps::count(shared.len());
        BytesMut::from(&shared[..])
    });
    edit(&mut buffer);
    *value = buffer.freeze();
}

fn check_length(length: usize) -> Result<()> {
    if length > MAX_VALUE_BYTES {
        return Err(Error::server("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    Ok(())
}

fn getrange(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (start, end) = (args.int(1)?, args.int(2)?);
    let value = db.read::<Bytes>(args.at(0)?)?.cloned().unwrap_or_default();
    // Two negative ends in the wrong order select nothing, also if both are before the beginning.
    if start < 0 && end < 0 && start > end {
        return Ok(Value::bulk(Bytes::new()));
    }
    let length = value.len() as i64;
    let from_end = |at: i64| if at < 0 { (length + at).max(0) } else { at };
    let (start, end) = (from_end(start), from_end(end).min(length - 1));
    Ok(Value::Bulk(if start > end || length == 0 {
        Bytes::new()
    } else {
        value.slice(start as usize..=end as usize)
    }))
}

fn setrange(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let offset =
        usize::try_from(args.int(1)?).map_err(|_| Error::server("ERR offset is out of range"))?;
    let (key, patch) = (args.at(0)?, args.at(2)?);
    if patch.is_empty() {
        return Ok(length(db.read::<Bytes>(key)?.map_or(0, Bytes::len)));
    }
    db.read::<Bytes>(key)?;
    check_length(offset.saturating_add(patch.len()))?;
    db.update::<Bytes, _>(key, |value| {
        edit(value, |value| {
            value.resize(value.len().max(offset + patch.len()), 0);
            value[offset..offset + patch.len()].copy_from_slice(patch);
        });
        Ok(length(value.len()))
    })
}

fn set_expiring(db: &mut Keyspace, args: Args<'_>, unit: i64) -> Result<Value> {
    let at = expires_at(db, args, args.int(1)?, unit, Deadline::InFuture)?;
    put(db, args.at(0)?, args.bytes(2)?, Some(at));
    Ok(Value::OK)
}

fn getex(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let known = match args.len() {
        1 => true,
        2 => args.is(1, "PERSIST"),
        3 => matches!(args.word(1).as_str(), "EX" | "PX" | "EXAT" | "PXAT"),
        _ => false,
    };
    if !known {
        return Err(syntax());
    }
    let key = args.at(0)?;
    let value = get(db, key)?;
    if value.is_nil() {
        return Ok(value);
    }
    match args.len() {
        1 => {}
        2 => db.set_expiry(key, None),
        _ => {
            let expires_at = parse_expiry(db, args, 1)?;
            db.set_expiry(key, expires_at);
        }
    }
    Ok(value)
}

/// How many digits a digest has.
const DIGEST_LENGTH: usize = 16;

/// The XXH3 hash of a value in hexadecimal.
fn digest(value: &[u8]) -> Bytes {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(value)).into()
}

/// Whether the condition of SET or DELEX at this position is met. An absent value equals no value.
fn is_met(db: &Keyspace, args: Args<'_>, at: usize) -> Result<bool> {
    let expected = args.at(at + 1)?;
    let word = args.word(at);
    let stored = db.read::<Bytes>(args.at(0)?)?;
    let by_digest = matches!(word.as_str(), "IFDEQ" | "IFDNE");
    if by_digest && expected.len() != DIGEST_LENGTH {
        return Err(Error::server("ERR must be exactly 16 hexadecimal characters"));
    }
    let equal = stored.is_some_and(|stored| match by_digest {
        true => digest(stored).eq_ignore_ascii_case(expected),
        false => stored == expected,
    });
    Ok(if matches!(word.as_str(), "IFEQ" | "IFDEQ") { equal } else { !equal })
}

/// DELEX of Redis 8.4.
fn delex(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let key = args.at(0)?;
    if !matches!(args.len(), 1 | 3) {
        return Err(wrong_arity("DELEX"));
    }
    if args.len() == 3
        && let Some(entry) = db.entry(key)
    {
        if !matches!(entry.data, Data::String(_)) {
            return Err(Error::server(
                "ERR Key should be of string type if conditions are specified",
            ));
        }
        if !matches!(args.word(1).as_str(), "IFEQ" | "IFNE" | "IFDEQ" | "IFDNE") {
            return Err(Error::server("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"));
        }
        if !is_met(db, args, 1)? {
            return Ok(false.into());
        }
    }
    Ok(db.remove(key).is_some().into())
}

#[derive(Clone, Copy)]
enum Condition {
    Absent,
    Present,
    /// Compares with the argument after this one.
    At(usize),
}

fn set(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (mut expiry, mut keep_ttl, mut condition, mut give_old) = (None, false, None, false);
    let mut at = 2;
    while at < args.len() {
        match args.word(at).as_str() {
            "NX" if condition.is_none() => condition = Some(Condition::Absent),
            "XX" if condition.is_none() => condition = Some(Condition::Present),
            "IFEQ" | "IFNE" | "IFDEQ" | "IFDNE" if condition.is_none() => {
                condition = Some(Condition::At(at));
                at += 1;
            }
            "GET" => give_old = true,
            "KEEPTTL" if expiry.is_none() => keep_ttl = true,
            "EX" | "PX" | "EXAT" | "PXAT" if expiry.is_none() && !keep_ttl => {
                expiry = Some(at);
                at += 1;
            }
            _ => return Err(syntax()),
        }
        at += 1;
    }
    let expires_at = match expiry {
        Some(at) => parse_expiry(db, args, at)?,
        None => None,
    };
    let key = args.at(0)?;
    let old = if give_old { get(db, key)? } else { Value::Nil };
    let met = match condition {
        None => true,
        Some(Condition::Absent) => !db.contains(key),
        Some(Condition::Present) => db.contains(key),
        Some(Condition::At(at)) => is_met(db, args, at)?,
    };
    if !met {
        return Ok(old);
    }
    let kept = db.entry(key).and_then(|entry| entry.expires_at).filter(|_| keep_ttl);
    put(db, key, args.bytes(1)?, expires_at.or(kept));
    // A time that has already passed deletes the key again.
    db.advance_to(db.now());
    Ok(if give_old { old } else { Value::OK })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::transport::memory::{commands, engine::Engine};

    #[test]
    fn conditions_of_redis_8_4_compare_values_and_digests() {
        let mut engine = Engine::new(commands::find);
        let mut run = |line: &str| {
            let mut words = line.split(' ').map(str::to_owned);
            let command = Command::new(words.next().unwrap_or_default()).args_from(words);
            match engine.run(&command, 1) {
                Ok(Value::Integer(number)) => number.to_string(),
                Ok(value) => value
                    .as_bytes()
                    .map_or("nil".to_owned(), |text| String::from_utf8_lossy(text).into_owned()),
                Err(error) => error.message().to_owned(),
            }
        };
        let (nil, one, none) = ("nil", "1", "0");
        let bad_digest = "ERR must be exactly 16 hexadecimal characters";
        let bad_type = "ERR Key should be of string type if conditions are specified";
        let digest = "9555e8555c62dcfd";
        run("RPUSH l a");
        for (line, reply) in [
            ("SET k hello IFEQ x", nil),
            ("SET k hello IFDEQ 9555e8555c62dcfd", nil),
            ("SET k hello IFNE x", "OK"),
            ("DIGEST k", digest),
            ("SET k hello IFNE hello", nil),
            ("SET k hello IFDEQ 9555E8555C62DCFD GET", "hello"),
            ("SET k hello IFDNE 9555e8555c62dcfd", nil),
            ("SET k hello IFDEQ 9555", bad_digest),
            ("SET l a IFEQ a", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("DIGEST l", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("DIGEST nosuch", nil),
            ("DELEX k IFEQ x", none),
            ("DELEX k IFNE hello", none),
            ("DELEX k IFDNE 9555e8555c62dcfd", none),
            ("DELEX k IFDEQ 9555", bad_digest),
            ("DELEX k FOO x", "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"),
            ("DELEX k IFEQ", "ERR wrong number of arguments for 'delex' command"),
            ("DELEX l IFEQ a", bad_type),
            ("DELEX nosuch IFNE a", none),
            ("DELEX k IFDEQ 9555e8555c62dcfd", one),
            ("DELEX l", one),
        ] {
            assert_eq!(run(line), reply, "{line}");
        }
    }
}
