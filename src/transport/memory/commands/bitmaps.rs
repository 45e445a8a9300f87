use bytes::{Bytes, BytesMut};

use super::replies::length;
use super::strings::edit;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::bits;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::{Data, Keyspace};
use crate::transport::memory::{number, steps};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "BITCOUNT" -2 bitcount,
    "BITFIELD" -2 |db, args| bitfield(db, args, false),
    "BITFIELD_RO" -2 |db, args| bitfield(db, args, true),
    "BITOP" -4 bitop,
    "BITPOS" -3 bitpos,
    "GETBIT" 3 |db, args| {
        let offset = offset(args.at(1)?, None)?;
        let value = db.read::<Bytes>(args.at(0)?)?;
        Ok(Value::Integer(value.map_or(0, |value| bits::get(value, offset, 1)) as i64))
    },
    "SETBIT" 4 setbit,
];

/// The most bytes of a string. No offset may lie behind them.
const MOST_BYTES: u64 = 512 << 20;

/// The offset of a bit. In a field, `#` before it stands for a multiple of the width.
fn offset(text: &[u8], width: Option<u32>) -> Result<u64> {
    let invalid = || Error::server("ERR bit offset is not an integer or out of range");
    let offset = match (text.strip_prefix(b"#"), width) {
        (Some(rest), Some(width)) => {
            number::int(rest).and_then(|offset| offset.checked_mul(i64::from(width)))
        }
        _ => number::int(text),
    };
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset >> 3 < MOST_BYTES)
        .ok_or_else(invalid)
}

/// Makes a string long enough for the bit at an offset.
fn grow(value: &mut BytesMut, offset: u64) {
    let needed = (offset >> 3) as usize + 1;
    if value.len() < needed {
        value.resize(needed, 0);
    }
}

fn setbit(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let offset = offset(args.at(1)?, None)?;
    let bit = number::int(args.at(2)?)
        .filter(|bit| matches!(bit, 0 | 1))
        .ok_or_else(|| Error::server("ERR bit is not an integer or out of range"))?;
    db.update::<Bytes, _>(args.at(0)?, |value| {
        let old = bits::get(value, offset, 1);
        edit(value, |value| {
            grow(value, offset);
            bits::set(value, offset, 1, bit as u64);
        });
        Ok(Value::Integer(old as i64))
    })
}

/// The bits from `start` to `stop`, both included, which count bytes or bits, negative ones from the end.
fn range(size: usize, start: i64, stop: i64, in_bits: bool) -> Option<(u64, u64)> {
    let total = if in_bits { size as i64 * 8 } else { size as i64 };
    let from_end = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
    let (start, stop) = (from_end(start), from_end(stop).min(total - 1));
    if start > stop {
        return None;
    }
    Some(match in_bits {
        true => (start as u64, stop as u64),
        false => (start as u64 * 8, stop as u64 * 8 + 7),
    })
}

fn unit(args: Args<'_>, at: usize) -> Result<bool> {
    match (args.len() > at, args.word(at).as_str()) {
        (false, _) | (_, "BYTE") => Ok(false),
        (_, "BIT") => Ok(true),
        _ => Err(syntax()),
    }
}

fn bitcount(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let asked = match args.len() {
        1 => None,
        3 | 4 => Some((args.int(1)?, args.int(2)?, unit(args, 3)?)),
        _ => return Err(syntax()),
    };
    let Some(value) = db.read::<Bytes>(args.at(0)?)? else { return Ok(Value::Integer(0)) };
    let (start, stop, in_bits) = asked.unwrap_or((0, -1, false));
    if start < 0 && stop < 0 && start > stop {
        return Ok(Value::Integer(0));
    }
    let Some((first, last)) = range(value.len(), start, stop, in_bits) else {
        return Ok(Value::Integer(0));
    };
    steps::count((last - first) as usize / 8);
    Ok(Value::Integer(bits::count(value, first, last) as i64))
}

fn bitpos(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let bit = args.int(1)?;
    if !matches!(bit, 0 | 1) {
        return Err(Error::server("ERR The bit argument must be 1 or 0."));
    }
    if args.len() > 5 {
        return Err(syntax());
    }
    let start = if args.len() > 2 { args.int(2)? } else { 0 };
    let in_bits = unit(args, 4)?;
    let stop = if args.len() > 3 { Some(args.int(3)?) } else { None };
    let Some(value) = db.read::<Bytes>(args.at(0)?)? else {
        // An absent string counts as an endless row of zeros.
        return Ok(Value::Integer(-bit));
    };
    let Some((first, last)) = range(value.len(), start, stop.unwrap_or(-1), in_bits) else {
        return Ok(Value::Integer(-1));
    };
    steps::count((last - first) as usize / 8);
    Ok(Value::Integer(match bits::find(value, first, last, bit == 1) {
        Some(at) => at as i64,
        // Behind a string without an end there are zeros.
        None if bit == 0 && stop.is_none() => last as i64 + 1,
        None => -1,
    }))
}

fn bitop(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let operation: fn(u8, u8) -> u8 = match args.word(0).as_str() {
        "AND" => |one, other| one & other,
        "OR" => |one, other| one | other,
        "XOR" => |one, other| one ^ other,
        "NOT" if args.len() == 3 => |_, other| !other,
        "NOT" => {
            return Err(Error::server("ERR BITOP NOT must be called with a single source key."));
        }
        _ => return Err(syntax()),
    };
    let mut values = Vec::new();
    for key in args.from(2) {
        values.push(db.read::<Bytes>(key)?.cloned().unwrap_or_default());
    }
    let size = values.iter().map(Bytes::len).max().unwrap_or(0);
    steps::count(size * values.len());
    let negates = args.word(0) == "NOT";
    let mut result = vec![0; size];
    for (at, value) in values.iter().enumerate() {
        for (place, byte) in result.iter_mut().enumerate() {
            let other = value.get(place).copied().unwrap_or(0);
            *byte = if at == 0 && !negates { other } else { operation(*byte, other) };
        }
    }
    if result.is_empty() {
        db.remove(args.at(1)?);
    } else {
        db.put(args.bytes(1)?, Data::String(result.into()), None);
    }
    Ok(length(size))
}

/// How to store a number that its field cannot hold.
#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// A field of bits: `u8` or `i16`, at an offset.
#[derive(Clone, Copy)]
struct Field {
    signed: bool,
    width: u32,
    offset: u64,
}

enum Operation {
    Get,
    Set(i64),
    Increment(i64),
}

impl Field {
    fn parse(args: Args<'_>, at: usize) -> Result<Self> {
        let kind = args.at(at)?;
        let signed = kind.first() == Some(&b'i');
        let width = match kind {
            [b'i' | b'u', digits @ ..] => number::int(digits),
            _ => None,
        };
        let most = if signed { 64 } else { 63 };
        let width = width.filter(|width| (1..=most).contains(width)).ok_or_else(|| {
            Error::server(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            )
        })? as u32;
        let offset = offset(args.at(at + 1)?, Some(width))?;
        Ok(Self { signed, width, offset })
    }

    fn last_bit(self) -> u64 {
        self.offset + u64::from(self.width) - 1
    }

    fn read(self, value: &[u8]) -> i64 {
        self.signed_value(bits::get(value, self.offset, self.width))
    }

    /// The number that these bits stand for.
    fn signed_value(self, raw: u64) -> i64 {
        match self.signed && self.width < 64 {
            true => (raw << (64 - self.width)) as i64 >> (64 - self.width),
            false => raw as i64,
        }
    }

    /// The value that is stored for a number; `None` if the number does not fit and overflows are failures.
    fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (least, greatest) = match self.signed {
            true => (-(1_i128 << (self.width - 1)), (1_i128 << (self.width - 1)) - 1),
            false => (0, (1_i128 << self.width) - 1),
        };
        if (least..=greatest).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(number.clamp(least, greatest) as i64),
            Overflow::Wrap => {
                let mask = (1_i128 << self.width) - 1;
                Some(self.signed_value((number & mask) as u64))
            }
        }
    }
}

fn bitfield(db: &mut Keyspace, args: Args<'_>, read_only: bool) -> Result<Value> {
    let mut operations = Vec::new();
    let (mut overflow, mut at) = (Overflow::Wrap, 1);
    let mut writes_up_to = None;
    while at < args.len() {
        let left = args.len() - at - 1;
        let word = args.word(at);
        let width = match word.as_str() {
            "GET" if left >= 2 => 2,
            "SET" | "INCRBY" if left >= 3 => 3,
            "OVERFLOW" if left >= 1 => {
                overflow = match args.word(at + 1).as_str() {
                    "WRAP" => Overflow::Wrap,
                    "SAT" => Overflow::Saturate,
                    "FAIL" => Overflow::Fail,
                    _ => return Err(Error::server("ERR Invalid OVERFLOW type specified")),
                };
                at += 2;
                continue;
            }
            _ => return Err(syntax()),
        };
        let field = Field::parse(args, at + 1)?;
        let operation = match word.as_str() {
            "GET" => Operation::Get,
            "SET" => Operation::Set(args.int(at + 3)?),
            _ => Operation::Increment(args.int(at + 3)?),
        };
        if !matches!(operation, Operation::Get) {
            if read_only {
                return Err(Error::server("ERR BITFIELD_RO only supports the GET subcommand"));
            }
            writes_up_to = writes_up_to.max(Some(field.last_bit()));
        }
        operations.push((operation, field, overflow));
        at += width + 1;
    }
    let key = args.at(0)?;
    let Some(last) = writes_up_to else {
        let value = db.read::<Bytes>(key)?;
        let value = value.map_or(&[][..], |value| value);
        let read = operations.iter().map(|(_, field, _)| Value::Integer(field.read(value)));
        return Ok(Value::Array(read.collect()));
    };
    db.update::<Bytes, _>(key, |value| {
        let mut replies = Vec::with_capacity(operations.len());
        edit(value, |value| {
            grow(value, last);
            for (operation, field, overflow) in operations {
                let old = field.read(value);
                let (new, replies_old) = match operation {
                    Operation::Get => {
                        replies.push(Value::Integer(old));
                        continue;
                    }
                    // The check of Redis 8 overflows here, so that it saturates upwards.
                    Operation::Set(new)
                        if field.signed
                            && field.width < 64
                            && matches!(overflow, Overflow::Saturate)
                            && new < i64::MIN + (1 << (field.width - 1)) =>
                    {
                        (i128::MAX, true)
                    }
                    // Redis takes the number for an unsigned one where the field is.
                    Operation::Set(new) if field.signed => (i128::from(new), true),
                    Operation::Set(new) => (i128::from(new as u64), true),
                    Operation::Increment(by) => (i128::from(old) + i128::from(by), false),
                };
                let Some(new) = field.fit(new, overflow) else {
                    replies.push(Value::Nil);
                    continue;
                };
                bits::set(value, field.offset, field.width, new as u64);
                replies.push(Value::Integer(if replies_old { old } else { new }));
            }
        });
        Ok(Value::Array(replies))
    })
}
