use super::replies::length;
use crate::command::Command;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::glob;
use crate::transport::memory::keyspace::{Entry, Keyspace};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "COPY" -3 copy,
    "DEL" -2 delete,
    "EXISTS" -2 |db, args| Ok(length(args.from(0).filter(|key| db.contains(key)).count())),
    "EXPIRE" -3 |db, args| expire(db, args, 1000, Deadline::FromNow),
    "EXPIREAT" -3 |db, args| expire(db, args, 1000, Deadline::Absolute),
    "EXPIRETIME" 2 |db, args| time_to_live(db, args, 1000, false),
    "KEYS" 2 |db, args| {
        let pattern = args.at(0)?;
        let keys = db.keys().filter(|(key, _)| glob::matches(pattern, key));
        Ok(Value::Array(keys.map(|(key, _)| Value::Bulk(key.clone())).collect()))
    },
    "PERSIST" 2 |db, args| {
        let volatile = db.entry(args.at(0)?).is_some_and(|entry| entry.expires_at.is_some());
        db.set_expiry(args.at(0)?, None);
        Ok(volatile.into())
    },
    "PEXPIRE" -3 |db, args| expire(db, args, 1, Deadline::FromNow),
    "PEXPIREAT" -3 |db, args| expire(db, args, 1, Deadline::Absolute),
    "PEXPIRETIME" 2 |db, args| time_to_live(db, args, 1, false),
    "PTTL" 2 |db, args| time_to_live(db, args, 1, true),
    "RANDOMKEY" 1 |db, _| Ok(db.random_key().into()),
    "RENAME" 3 |db, args| {
        rename(db, args)?;
        Ok(Value::OK)
    },
    "RENAMENX" 3 |db, args| {
        let entry = db.contains(args.at(0)?);
        if entry && db.contains(args.at(1)?) {
            return Ok(false.into());
        }
        rename(db, args)?;
        Ok(true.into())
    },
    "SCAN" -2 scan,
    "TOUCH" -2 |db, args| Ok(length(
        args.from(0)
            .filter_map(|key| db.entry(key))
            .inspect(|entry| db.note_use(entry))
            .count(),
    )),
    "TTL" 2 |db, args| time_to_live(db, args, 1000, true),
    "TYPE" 2 |db, args| Ok(Value::Simple(
        db.entry(args.at(0)?).map_or("none", |entry| entry.data.type_name()).into(),
    )),
    "UNLINK" -2 delete,
];

pub(super) fn delete(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    Ok(length(args.from(0).filter(|key| db.remove(key).is_some()).count()))
}

pub(super) fn copy(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let replace = match args.len() {
        2 => false,
        3 if args.is(2, "REPLACE") => true,
        _ => return Err(syntax()),
    };
    let (from, to) = (args.at(0)?, args.bytes(1)?);
    if from == to {
        return Err(Error::server("ERR source and destination objects are the same"));
    }
    let Some(Entry { data, expires_at, .. }) = db.entry(from).cloned() else {
        return Ok(false.into());
    };
    if db.contains(&to) && !replace {
        return Ok(false.into());
    }
    db.put(to, data, expires_at);
    Ok(true.into())
}

fn rename(db: &mut Keyspace, args: Args<'_>) -> Result<()> {
    let Entry { data, expires_at, .. } =
        db.remove(args.at(0)?).ok_or_else(|| Error::server("ERR no such key"))?;
    db.put(args.bytes(1)?, data, expires_at);
    Ok(())
}

/// The meaning of the number of an expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deadline {
    /// Relative to now. A negative number deletes the key.
    FromNow,
    /// Relative to now. It must be positive.
    InFuture,
    /// A Unix time.
    Absolute,
    /// A Unix time that must be positive.
    AbsolutePositive,
}

/// The Unix time in milliseconds for a number in units of `unit` milliseconds.
pub(super) fn expires_at(
    db: &Keyspace,
    args: Args<'_>,
    number: i64,
    unit: i64,
    deadline: Deadline,
) -> Result<u64> {
    let invalid = || {
        let name = args.command().name().to_ascii_lowercase();
        Error::server(&format!("ERR invalid expire time in '{name}' command"))
    };
    let must_be_positive = matches!(deadline, Deadline::InFuture | Deadline::AbsolutePositive);
    if must_be_positive && number <= 0 {
        return Err(invalid());
    }
    let millis = number.checked_mul(unit).ok_or_else(invalid)?;
    let at = match deadline {
        Deadline::Absolute | Deadline::AbsolutePositive => millis,
        Deadline::FromNow | Deadline::InFuture => {
            millis.checked_add(db.now() as i64).ok_or_else(invalid)?
        }
    };
    Ok(u64::try_from(at).unwrap_or(0))
}

/// `EX seconds`, `PX millis`, `EXAT seconds` or `PXAT millis` at a position, as a Unix time in milliseconds.
pub(super) fn parse_expiry(db: &Keyspace, args: Args<'_>, at: usize) -> Result<Option<u64>> {
    let (unit, deadline) = match args.word(at).as_str() {
        "EX" => (1000, Deadline::InFuture),
        "PX" => (1, Deadline::InFuture),
        "EXAT" => (1000, Deadline::AbsolutePositive),
        "PXAT" => (1, Deadline::AbsolutePositive),
        _ => return Ok(None),
    };
    args.at(at + 1)?;
    expires_at(db, args, args.int(at + 1)?, unit, deadline).map(Some)
}

fn expire(db: &mut Keyspace, args: Args<'_>, unit: i64, deadline: Deadline) -> Result<Value> {
    let number = args.int(1)?;
    let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
    for at in 2..args.len() {
        match args.word(at).as_str() {
            "NX" => nx = true,
            "XX" => xx = true,
            "GT" => gt = true,
            "LT" => lt = true,
            _ => {
                let option = String::from_utf8_lossy(args.at(at)?).into_owned();
                return Err(Error::server(&format!("ERR Unsupported option {option}")));
            }
        }
    }
    if nx && (xx || gt || lt) {
        return Err(Error::server(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if gt && lt {
        return Err(Error::server("ERR GT and LT options at the same time are not compatible"));
    }
    let new = expires_at(db, args, number, unit, deadline)?;
    let Some(entry) = db.entry(args.at(0)?) else {
        return Ok(false.into());
    };
    let old = entry.expires_at;
    let refused = (nx && old.is_some())
        || (xx && old.is_none())
        || (gt && old.is_none_or(|old| new <= old))
        || (lt && old.is_some_and(|old| new >= old));
    if refused {
        return Ok(false.into());
    }
    db.set_expiry(args.at(0)?, Some(new));
    Ok(true.into())
}

fn time_to_live(db: &mut Keyspace, args: Args<'_>, unit: u64, left: bool) -> Result<Value> {
    let Some(entry) = db.entry(args.at(0)?) else {
        return Ok(Value::Integer(-2));
    };
    Ok(Value::Integer(match entry.expires_at {
        None => -1,
        // TTL rounds to the nearest second.
        Some(at) if left => ((at - db.now() + unit / 2) / unit) as i64,
        Some(at) => (at / unit) as i64,
    }))
}

/// The options of SCAN, HSCAN, SSCAN and ZSCAN.
pub(super) struct Scan<'a> {
    pub(super) pattern: Option<&'a [u8]>,
    pub(super) count: usize,
    kind: Option<String>,
}

impl<'a> Scan<'a> {
    pub(super) fn parse(args: Args<'a>, start: usize) -> Result<Self> {
        let mut scan = Self { pattern: None, count: 10, kind: None };
        for at in (start..args.len()).step_by(2) {
            match args.word(at).as_str() {
                "MATCH" => scan.pattern = Some(args.at(at + 1)?),
                "COUNT" => {
                    args.at(at + 1)?;
                    scan.count = usize::try_from(args.int(at + 1)?)
                        .ok()
                        .filter(|count| *count > 0)
                        .ok_or_else(syntax)?;
                }
                "TYPE" if args.command().name() == "SCAN" => {
                    scan.kind =
                        Some(String::from_utf8_lossy(args.at(at + 1)?).to_ascii_lowercase());
                }
                _ => return Err(syntax()),
            }
        }
        Ok(scan)
    }

    pub(super) fn cursor(args: Args<'_>, at: usize) -> Result<u64> {
        std::str::from_utf8(args.at(at)?)
            .ok()
            .and_then(|cursor| cursor.parse().ok())
            .ok_or_else(|| Error::server("ERR invalid cursor"))
    }

    pub(super) fn wants(&self, item: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, item))
    }
}

/// A page of a collection whose items have positions, and the next cursor.
///
/// It goes from the last item to the first, and the cursor is the number of items that are left. The last item takes the
/// place of a removed one, and is returned in any case. New items are added at the end. So no item that stays is missed.
pub(super) fn page(
    size: usize,
    cursor: u64,
    count: usize,
    mut push: impl FnMut(usize, &mut Vec<Value>),
) -> Value {
    /// Redis also returns small collections as a whole.
    const WHOLE: usize = 128;
    let left = match usize::try_from(cursor) {
        Ok(left @ 1..) => left.min(size),
        _ => size,
    };
    let next = if size <= WHOLE { 0 } else { left.saturating_sub(count) };
    let mut items = Vec::new();
    (next..left).rev().for_each(|at| push(at, &mut items));
    Value::Array(vec![Value::bulk(next.to_string()), Value::Array(items)])
}

fn scan(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let cursor = Scan::cursor(args, 0)?;
    let scan = Scan::parse(args, 1)?;
    let (next, keys) = db.scan(cursor, scan.count);
    let of_kind = |key: &[u8]| {
        scan.kind.as_ref().is_none_or(|kind| {
            db.entry(key).is_some_and(|entry| entry.data.type_name().eq_ignore_ascii_case(kind))
        })
    };
    let found = keys.into_iter().filter(|key| scan.wants(key) && of_kind(key));
    Ok(Value::Array(vec![
        Value::bulk(next.to_string()),
        Value::Array(found.map(|key| Value::Bulk(key.clone())).collect()),
    ]))
}

/// SCAN that also knows the word WITHTYPE: each key of the reply has its type after it.
pub(super) fn scan_with_types(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    // The words after the cursor come in pairs, apart from this one; a pattern may be the same word.
    let mut at = 1;
    while at < args.len() && !args.is(at, "WITHTYPE") {
        at += 2;
    }
    if at >= args.len() {
        return scan(db, args);
    }
    let rest = args.from(0).enumerate().filter(|(place, _)| *place != at);
    let plain = Command::new("SCAN").args_from(rest.map(|(_, arg)| arg));
    let mut reply = scan(db, Args::new(&plain))?;
    if let Value::Array(parts) = &mut reply
        && let Some(Value::Array(keys)) = parts.get_mut(1)
    {
        let with_type = |key: Value| {
            let entry = key.as_bytes().and_then(|key| db.entry(key));
            let kind = entry.map_or("none", |entry| entry.data.type_name());
            [key, Value::Simple(kind.into())]
        };
        *keys = std::mem::take(keys).into_iter().flat_map(with_type).collect();
    }
    Ok(reply)
}
