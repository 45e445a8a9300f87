//! The library `cmsgpack`: MessagePack as Redis's Lua writes and reads it.

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{Arguments, add, one};
use super::budget::Budget;
use super::convert::truncated;

/// Tables inside as many tables are written as nil.
const DEEPEST: usize = 16;
/// Deeper texts are refused. Redis has no limit but the stack.
const DEEPEST_READ: usize = 128;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    add(lua, &library, "pack", |args| {
        if args.len() == 0 {
            return Err(args.refuse(0, "MessagePack pack needs input."));
        }
        let (mut out, mut budget) = (Vec::new(), Budget::timed(args.lua));
        for at in 1..=args.len() {
            write(&mut out, &mut budget, args.at(at).unwrap_or(&Value::Nil), 0)?;
        }
        Ok(one(Value::String(args.lua.create_string(out)?)))
    })?;
    add(lua, &library, "unpack", |args| unpack(args, 0, 0))?;
    add(lua, &library, "unpack_one", |args| {
        let offset = truncated(args.number_or(2, 0.0)?);
        unpack(args, 1, offset)
    })?;
    add(lua, &library, "unpack_limit", |args| {
        let limit = truncated(args.number(2)?);
        let offset = truncated(args.number_or(3, 0.0)?);
        unpack(args, limit, offset)
    })?;
    Ok(library)
}

fn write(out: &mut Vec<u8>, budget: &mut Budget, value: &Value, depth: usize) -> mlua::Result<()> {
    let bytes = if let Value::String(text) = value { text.as_bytes().len() } else { 0 };
    budget.take(1 + bytes)?;
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            match text.len() {
                length @ ..32 => out.push(0xa0 | length as u8),
                length @ ..0x100 => out.extend([0xd9, length as u8]),
                length => header(out, length, 0xda),
            }
            out.extend_from_slice(&text);
        }
        Value::Boolean(yes) => out.push(if *yes { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => write_integer(out, *number),
        Value::Number(number) if truncated(*number) as f64 == *number => {
            write_integer(out, truncated(*number));
        }
        Value::Number(number) => match *number as f32 {
            short if f64::from(short) == *number => {
                out.push(0xca);
                out.extend(short.to_be_bytes());
            }
            _ => {
                out.push(0xcb);
                out.extend(number.to_be_bytes());
            }
        },
        Value::Table(table) if depth < DEEPEST => write_table(out, budget, table, depth + 1)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

/// The header of something long: this byte and a length of 16 bits, or the next byte and a length of 32 bits.
fn header(out: &mut Vec<u8>, length: usize, short: u8) {
    match u16::try_from(length) {
        Ok(length) => {
            out.push(short);
            out.extend(length.to_be_bytes());
        }
        Err(_) => {
            out.push(short + 1);
            out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

fn write_integer(out: &mut Vec<u8>, number: i64) {
    match number {
        -32..=127 => out.push(number as u8),
        -128..=-33 => out.extend([0xd0, number as u8]),
        -0x8000..=-129 => {
            out.push(0xd1);
            out.extend((number as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xd2);
            out.extend((number as i32).to_be_bytes());
        }
        ..-0x8000_0000 => {
            out.push(0xd3);
            out.extend(number.to_be_bytes());
        }
        128..=0xff => out.extend([0xcc, number as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend(number.to_be_bytes());
        }
    }
}

/// A table whose keys are 1 to its length is an array.
fn write_table(
    out: &mut Vec<u8>,
    budget: &mut Budget,
    table: &Table,
    depth: usize,
) -> mlua::Result<()> {
    let (mut count, mut highest, mut is_array) = (0_usize, 0_i64, true);
    table.for_each(|key: Value, _: Value| {
        let number = match key {
            Value::Integer(number) => number,
            Value::Number(number) if truncated(number) as f64 == number => truncated(number),
            _ => 0,
        };
        is_array &= number > 0;
        highest = highest.max(number);
        count += 1;
        Ok(())
    })?;
    if is_array && usize::try_from(highest) == Ok(count) {
        match count {
            ..16 => out.push(0x90 | count as u8),
            _ => header(out, count, 0xdc),
        }
        for at in 1..=highest {
            write(out, budget, &table.raw_get(at)?, depth)?;
        }
        return Ok(());
    }
    match count {
        ..16 => out.push(0x80 | count as u8),
        _ => header(out, count, 0xde),
    }
    table.for_each(|key: Value, value: Value| {
        write(out, budget, &key, depth)?;
        write(out, budget, &value, depth)
    })
}

/// The values of a text. With a limit or an offset, the next offset comes first, or -1 at the end.
fn unpack(args: &Arguments<'_>, limit: i64, offset: i64) -> mlua::Result<MultiValue> {
    let text = args.string(1)?;
    let text = text.as_bytes();
    let is_all = limit == 0 && offset == 0;
    let (Ok(most), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        return Err(args.fail(&format!(
            "Invalid request to unpack with offset of {} and limit of {}.",
            offset as i32,
            text.len()
        )));
    };
    if start > text.len() {
        return Err(
            args.fail(&format!("Start offset {start} greater than input length {}.", text.len()))
        );
    }
    let mut reader = Reader { lua: args.lua, rest: &text[start..] };
    let mut out = Vec::new();
    while !reader.rest.is_empty() && (is_all || out.len() < most) {
        match reader.value(0) {
            Ok(value) => out.push(value),
            Err(Broken::Short) => return Err(args.fail("Missing bytes in input.")),
            Err(Broken::Format) => return Err(args.fail("Bad data format in input.")),
            Err(Broken::Lua(error)) => return Err(error),
        }
    }
    if !is_all {
        let next = match reader.rest.len() {
            0 => -1.0,
            rest => (text.len() - rest) as f64,
        };
        out.insert(0, Value::Number(next));
    }
    Ok(out.into_iter().collect())
}

/// Why a text cannot be read.
enum Broken {
    Short,
    Format,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Broken {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Broken::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned number of this many bytes.
    fn unsigned(&mut self, bytes: usize) -> Result<u64, Broken> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<f64, Broken> {
        let unused = 64 - 8 * bytes;
        Ok(((self.unsigned(bytes)? << unused).cast_signed() >> unused) as f64)
    }

    fn length(&mut self, bytes: usize) -> Result<usize, Broken> {
        usize::try_from(self.unsigned(bytes)?).map_err(|_| Broken::Short)
    }

    fn value(&mut self, depth: usize) -> Result<Value, Broken> {
        if depth > DEEPEST_READ {
            return Err(Broken::Format);
        }
        let [first] = self.take(1)? else { return Err(Broken::Short) };
        let number = |number: f64| Ok(Value::Number(number));
        match first {
            0x00..=0x7f => number(f64::from(*first)),
            0xe0..=0xff => number(f64::from(first.cast_signed())),
            0x80..=0x8f => self.map(usize::from(first & 0xf), depth),
            0x90..=0x9f => self.array(usize::from(first & 0xf), depth),
            0xa0..=0xbf => self.text(usize::from(first & 0x1f)),
            0xc0 => Ok(Value::Nil),
            0xc2 => Ok(Value::Boolean(false)),
            0xc3 => Ok(Value::Boolean(true)),
            0xca => number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => number(f64::from_bits(self.unsigned(8)?)),
            0xcc => number(self.unsigned(1)? as f64),
            0xcd => number(self.unsigned(2)? as f64),
            0xce => number(self.unsigned(4)? as f64),
            0xcf => number(self.unsigned(8)? as f64),
            0xd0 => number(self.signed(1)?),
            0xd1 => number(self.signed(2)?),
            0xd2 => number(self.signed(4)?),
            0xd3 => number(self.signed(8)?),
            0xd9 => self.length(1).and_then(|length| self.text(length)),
            0xda => self.length(2).and_then(|length| self.text(length)),
            0xdb => self.length(4).and_then(|length| self.text(length)),
            0xdc => self.length(2).and_then(|length| self.array(length, depth)),
            0xdd => self.length(4).and_then(|length| self.array(length, depth)),
            0xde => self.length(2).and_then(|length| self.map(length, depth)),
            0xdf => self.length(4).and_then(|length| self.map(length, depth)),
            _ => Err(Broken::Format),
        }
    }

    fn text(&mut self, length: usize) -> Result<Value, Broken> {
        let text = self.take(length)?;
        Ok(Value::String(self.lua.create_string(text)?))
    }

    fn array(&mut self, length: usize, depth: usize) -> Result<Value, Broken> {
        let table = self.lua.create_table()?;
        for at in 1..=length {
            table.raw_set(at, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, Broken> {
        let table = self.lua.create_table()?;
        for _ in 0..length {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            table.raw_set(key, value)?;
        }
        Ok(Value::Table(table))
    }
}
