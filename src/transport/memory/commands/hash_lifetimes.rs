//! Lifetimes of fields of hashes. Compared with Redis 8.

use super::keys::{Deadline, expires_at};
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::collections::Hash;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::number;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "HEXPIRE" -6 |db, args| expire(db, args, 1000, Deadline::FromNow),
    "HEXPIREAT" -6 |db, args| expire(db, args, 1000, Deadline::Absolute),
    "HEXPIRETIME" -5 |db, args| lifetime(db, args, 1000, false),
    "HGETDEL" -5 hgetdel,
    "HGETEX" -5 hgetex,
    "HPERSIST" -5 hpersist,
    "HPEXPIRE" -6 |db, args| expire(db, args, 1, Deadline::FromNow),
    "HPEXPIREAT" -6 |db, args| expire(db, args, 1, Deadline::Absolute),
    "HPEXPIRETIME" -5 |db, args| lifetime(db, args, 1, false),
    "HPTTL" -5 |db, args| lifetime(db, args, 1, true),
    "HSETEX" -6 hsetex,
    "HTTL" -5 |db, args| lifetime(db, args, 1000, true),
];

/// The latest time at which a field may expire, in milliseconds.
const LATEST: u64 = (1 << 46) - 1;

/// `FIELDS count field …` at a position, with `width` arguments for each field.
fn fields<'a>(args: Args<'a>, at: usize, width: usize) -> Result<Vec<&'a [u8]>> {
    if !args.is(at, "FIELDS") {
        return Err(Error::server(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = number::int(args.at(at + 1)?)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|count| *count > 0)
        .ok_or_else(|| match args.command().name() {
            "HEXPIRE" | "HPEXPIRE" | "HEXPIREAT" | "HPEXPIREAT" => {
                Error::server("ERR Parameter `numFields` should be greater than 0")
            }
            "HSETEX" => Error::server("ERR invalid number of fields"),
            _ => Error::server("ERR Number of fields must be a positive integer"),
        })?;
    let fields: Vec<&[u8]> = args.from(at + 2).collect();
    if count.checked_mul(width) != Some(fields.len()) {
        return Err(match args.command().name() {
            name @ "HSETEX" => wrong_arity(name),
            _ => Error::server("ERR The `numfields` parameter must match the number of arguments"),
        });
    }
    Ok(fields)
}

/// The Unix time in milliseconds for the number at a position, in units of `unit` milliseconds.
fn time(db: &Keyspace, args: Args<'_>, at: usize, unit: i64, deadline: Deadline) -> Result<u64> {
    let number = args.int(at)?;
    if number < 0 {
        return Err(Error::server("ERR invalid expire time, must be >= 0"));
    }
    let time = expires_at(db, args, number, unit, deadline)?;
    if time > LATEST {
        let name = args.command().name().to_ascii_lowercase();
        return Err(Error::server(&format!("ERR invalid expire time in '{name}' command")));
    }
    Ok(time)
}

/// `EX seconds` and its like at a position. A time that has passed deletes the field.
fn option(db: &Keyspace, args: Args<'_>, at: usize) -> Result<Option<u64>> {
    let (unit, deadline) = match args.word(at).as_str() {
        "EX" => (1000, Deadline::FromNow),
        "PX" => (1, Deadline::FromNow),
        "EXAT" => (1000, Deadline::Absolute),
        "PXAT" => (1, Deadline::Absolute),
        _ => return Ok(None),
    };
    time(db, args, at + 1, unit, deadline).map(Some)
}

fn integers(numbers: impl Iterator<Item = i64>) -> Value {
    Value::Array(numbers.map(Value::Integer).collect())
}

fn expire(db: &mut Keyspace, args: Args<'_>, unit: i64, deadline: Deadline) -> Result<Value> {
    db.read::<Hash>(args.at(0)?)?;
    let at = time(db, args, 1, unit, deadline)?;
    let condition = args.word(2);
    let fields = match condition.as_str() {
        "NX" | "XX" | "GT" | "LT" => fields(args, 3, 1)?,
        _ => fields(args, 2, 1)?,
    };
    let now = db.now();
    let replies = db.change::<Hash, _>(args.at(0)?, |hash| {
        let set = fields.iter().map(|field| {
            if !hash.contains(field) {
                return -2;
            }
            let old = hash.expiry(field);
            let refused = match condition.as_str() {
                "NX" => old.is_some(),
                "XX" => old.is_none(),
                "GT" => old.is_none_or(|old| at <= old),
                "LT" => old.is_some_and(|old| at >= old),
                _ => false,
            };
            if refused {
                return 0;
            }
            if at <= now {
                hash.remove(field);
                return 2;
            }
            hash.set_expiry(field, Some(at));
            1
        });
        Ok(integers(set))
    })?;
    Ok(replies.unwrap_or_else(|| integers(fields.iter().map(|_| -2))))
}

fn lifetime(db: &mut Keyspace, args: Args<'_>, unit: u64, left: bool) -> Result<Value> {
    let hash = db.read::<Hash>(args.at(0)?)?;
    let fields = fields(args, 1, 1)?;
    let base = if left { db.now() } else { 0 };
    let found = fields.iter().map(|field| match hash.filter(|hash| hash.contains(field)) {
        None => -2,
        Some(hash) => {
            hash.expiry(field).map_or(-1, |at| at.saturating_sub(base).div_ceil(unit) as i64)
        }
    });
    Ok(integers(found))
}

fn hpersist(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    db.read::<Hash>(args.at(0)?)?;
    let fields = fields(args, 1, 1)?;
    let replies = db.change::<Hash, _>(args.at(0)?, |hash| {
        let set = fields.iter().map(|field| {
            if !hash.contains(field) {
                return -2;
            }
            if hash.expiry(field).is_none() {
                return -1;
            }
            hash.set_expiry(field, None);
            1
        });
        Ok(integers(set))
    })?;
    Ok(replies.unwrap_or_else(|| integers(fields.iter().map(|_| -2))))
}

fn hgetdel(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    db.read::<Hash>(args.at(0)?)?;
    let fields = fields(args, 1, 1)?;
    let values = db.change::<Hash, _>(args.at(0)?, |hash| {
        Ok(fields.iter().map(|field| hash.remove(field).into()).collect::<Vec<Value>>())
    })?;
    Ok(Value::Array(values.unwrap_or_else(|| vec![Value::Nil; fields.len()])))
}

/// What HGETEX and HSETEX do to lifetimes.
enum Change {
    None,
    Keep,
    Persist,
    At(u64),
}

impl Change {
    /// The option of HGETEX, and the position after it.
    fn of_hgetex(db: &Keyspace, args: Args<'_>) -> Result<(Self, usize)> {
        Ok(match args.word(1).as_str() {
            "PERSIST" => (Self::Persist, 2),
            _ => match option(db, args, 1)? {
                Some(at) => (Self::At(at), 3),
                None => (Self::None, 1),
            },
        })
    }

    /// The options of HSETEX, whether the fields have to exist or not to exist, and the position after that.
    fn of_hsetex(db: &Keyspace, args: Args<'_>) -> Result<(Self, Option<bool>, usize)> {
        let (mut change, mut must_exist) = (Self::None, None);
        let mut at = 1;
        while !args.is(at, "FIELDS") {
            if at == args.len() {
                return Err(wrong_arity(args.command().name()));
            }
            at += match (args.word(at).as_str(), &change) {
                (word @ ("FNX" | "FXX"), _) if must_exist.is_none() => {
                    must_exist = Some(word == "FXX");
                    1
                }
                ("KEEPTTL", Self::None) => {
                    change = Self::Keep;
                    1
                }
                ("EX" | "PX" | "EXAT" | "PXAT", Self::None) => {
                    if args.len() == at + 1 {
                        return Err(wrong_arity(args.command().name()));
                    }
                    change = Self::At(option(db, args, at)?.ok_or_else(syntax)?);
                    2
                }
                ("FNX" | "FXX", _) => {
                    return Err(Error::server(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
                ("KEEPTTL" | "EX" | "PX" | "EXAT" | "PXAT", Self::Keep | Self::At(_)) => {
                    return Err(Error::server(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                _ => {
                    let given = String::from_utf8_lossy(args.at(at).unwrap_or_default());
                    return Err(Error::server(&format!("ERR unknown argument: {given}")));
                }
            };
        }
        Ok((change, must_exist, at))
    }

    fn apply(&self, hash: &mut Hash, field: &[u8], now: u64) {
        match self {
            Self::None | Self::Keep => {}
            Self::Persist => hash.set_expiry(field, None),
            Self::At(at) if *at <= now => {
                hash.remove(field);
            }
            Self::At(at) => hash.set_expiry(field, Some(*at)),
        }
    }
}

fn hgetex(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    db.read::<Hash>(args.at(0)?)?;
    let (change, at) = Change::of_hgetex(db, args)?;
    let fields = fields(args, at, 1)?;
    let now = db.now();
    let values = db.change::<Hash, _>(args.at(0)?, |hash| {
        let values = fields.iter().map(|field| {
            let value = hash.get(field).cloned();
            if value.is_some() {
                change.apply(hash, field, now);
            }
            value.into()
        });
        Ok(values.collect::<Vec<Value>>())
    })?;
    Ok(Value::Array(values.unwrap_or_else(|| vec![Value::Nil; fields.len()])))
}

fn hsetex(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (change, must_exist, at) = Change::of_hsetex(db, args)?;
    let pairs = fields(args, at, 2)?;
    let hash = db.read::<Hash>(args.at(0)?)?;
    if let Some(must_exist) = must_exist {
        let exists = |field: &[u8]| hash.is_some_and(|hash| hash.contains(field));
        if pairs.iter().step_by(2).any(|field| exists(field) != must_exist) {
            return Ok(Value::Integer(0));
        }
    }
    let now = db.now();
    db.update::<Hash, _>(args.at(0)?, |hash| {
        for pair in pairs.chunks_exact(2) {
            let [field, value] = [pair[0], pair[1]].map(bytes::Bytes::copy_from_slice);
            match change {
                Change::Keep => hash.replace(field.clone(), value),
                _ => hash.insert(field.clone(), value),
            };
            change.apply(hash, &field, now);
        }
        Ok(Value::Integer(1))
    })
}
