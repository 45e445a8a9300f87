//! Redis's conversions between replies and the values of Lua.

use mlua::{Lua, LuaString, Table, Value as LuaValue};

use super::budget::Budget;
use super::raised::Raised;
use crate::transport::memory::number;
use crate::{Error, Result, Value};

/// How deep tables may be nested in a reply. Redis allows some thousands, and clients fewer.
const DEEPEST: usize = 200;
/// The memory of an item of a reply beyond its bytes.
const ITEM: usize = 64;

/// A command's reply as the script sees it, in the protocol that it has chosen by `redis.setresp`.
pub(super) fn to_lua(lua: &Lua, value: Value, resp3: bool) -> mlua::Result<LuaValue> {
    let with = |field: &str, value: LuaValue| -> mlua::Result<LuaValue> {
        let table = lua.create_table_with_capacity(0, 1)?;
        table.raw_set(field, value)?;
        Ok(LuaValue::Table(table))
    };
    let text = |bytes: &[u8]| lua.create_string(bytes).map(LuaValue::String);
    Ok(match value {
        Value::Nil if resp3 => LuaValue::Nil,
        Value::Nil => LuaValue::Boolean(false),
        Value::Integer(number) => LuaValue::Number(number as f64),
        Value::Simple(status) => with("ok", text(&status)?)?,
        Value::Error(message) => with("err", text(&message)?)?,
        Value::Bulk(bytes) => text(&bytes)?,
        Value::Array(items) => {
            let items = items.into_iter().map(|item| to_lua(lua, item, resp3));
            LuaValue::Table(lua.create_sequence_from(items.collect::<mlua::Result<Vec<_>>>()?)?)
        }
        Value::Map(pairs) => {
            let map = lua.create_table_with_capacity(0, pairs.len())?;
            for (key, value) in pairs {
                map.raw_set(to_lua(lua, key, resp3)?, to_lua(lua, value, resp3)?)?;
            }
            with("map", LuaValue::Table(map))?
        }
        Value::Set(items) => {
            let set = lua.create_table_with_capacity(0, items.len())?;
            for item in items {
                set.raw_set(to_lua(lua, item, resp3)?, true)?;
            }
            with("set", LuaValue::Table(set))?
        }
        Value::Double(number) => with("double", LuaValue::Number(number))?,
        Value::Boolean(yes) => LuaValue::Boolean(yes),
        Value::BigNumber(digits) => with("big_number", text(&digits)?)?,
        Value::Verbatim { format, text: content } => {
            let table = lua.create_table_with_capacity(0, 2)?;
            table.raw_set("string", text(&content)?)?;
            table.raw_set("format", text(&format)?)?;
            with("verbatim_string", LuaValue::Table(table))?
        }
        // No command replies with a push message.
        Value::Push(_) => LuaValue::Nil,
    })
}

/// The reply of a script, in the types of RESP2 like every reply of the engine.
pub(super) fn from_lua(names: &Names, value: &LuaValue) -> Result<Value> {
    convert(names, value, 0, &mut Budget::new())
}

fn convert(names: &Names, value: &LuaValue, depth: usize, budget: &mut Budget) -> Result<Value> {
    let bytes = if let LuaValue::String(text) = value { text.as_bytes().len() } else { 0 };
    budget.take(ITEM + bytes).map_err(unexpected)?;
    Ok(match value {
        LuaValue::Integer(number) => Value::Integer(*number),
        LuaValue::Number(number) => Value::Integer(truncated(*number)),
        LuaValue::String(text) => Value::bulk(text.as_bytes().to_vec()),
        LuaValue::Boolean(true) => Value::Integer(1),
        LuaValue::Table(table) => return from_table(names, table, depth, budget),
        _ => Value::Nil,
    })
}

/// A number as C casts it to a `long long` on the machines of Redis.
pub(super) fn truncated(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// The names of the fields that give a table a meaning.
pub(super) struct Names {
    err: LuaString,
    others: [LuaString; 6],
}

impl Names {
    pub(super) fn new(lua: &Lua) -> mlua::Result<Self> {
        let name = |text: &str| lua.create_string(text);
        Ok(Self {
            err: name("err")?,
            others: [
                name("ok")?,
                name("double")?,
                name("map")?,
                name("set")?,
                name("big_number")?,
                name("verbatim_string")?,
            ],
        })
    }
}

fn from_table(names: &Names, table: &Table, depth: usize, budget: &mut Budget) -> Result<Value> {
    if depth >= DEEPEST {
        return Err(Error::server("ERR reached lua stack limit"));
    }
    let next = depth + 1;
    if let LuaValue::String(text) = table.raw_get(&names.err).map_err(unexpected)? {
        // Redis reads it as a string of C.
        let text = text.as_bytes();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = one_line(&String::from_utf8_lossy(text));
        return match depth {
            0 => Err(Error::server(&text)),
            _ => Ok(Value::Error(text.into())),
        };
    }
    for (at, name) in names.others.iter().enumerate() {
        let field: LuaValue = table.raw_get(name).map_err(unexpected)?;
        match (at, field) {
            (0, LuaValue::String(status)) => {
                return Ok(Value::Simple(without_lines(&status.as_bytes()).into()));
            }
            (1, LuaValue::Number(double)) if double.is_nan() => return Ok(Value::bulk("nan")),
            (1, LuaValue::Number(double)) if double == 0.0 && double.is_sign_negative() => {
                return Ok(Value::bulk("-0"));
            }
            (1, LuaValue::Number(double)) => return Ok(Value::bulk(number::show(double))),
            (1, LuaValue::Integer(double)) => {
                return Ok(Value::bulk(number::show(double as f64)));
            }
            (2, LuaValue::Table(map)) => {
                let mut items = Vec::new();
                for pair in map.pairs::<LuaValue, LuaValue>() {
                    let (key, value) = pair.map_err(unexpected)?;
                    items.push(convert(names, &key, next, budget)?);
                    items.push(convert(names, &value, next, budget)?);
                }
                return Ok(Value::Array(items));
            }
            (3, LuaValue::Table(set)) => {
                let mut items = Vec::new();
                for pair in set.pairs::<LuaValue, LuaValue>() {
                    items.push(convert(names, &pair.map_err(unexpected)?.0, next, budget)?);
                }
                return Ok(Value::Array(items));
            }
            (4, LuaValue::String(digits)) => {
                return Ok(Value::bulk(without_lines(&digits.as_bytes())));
            }
            (5, LuaValue::Table(verbatim)) => {
                let fields = (verbatim.raw_get("format"), verbatim.raw_get("string"));
                if let (Ok(LuaValue::String(_)), Ok(LuaValue::String(text))) = fields {
                    return Ok(Value::bulk(text.as_bytes().to_vec()));
                }
            }
            _ => {}
        }
    }
    let mut items = Vec::with_capacity(table.raw_len().min(1024));
    for at in 1_i64.. {
        match table.raw_get(at).map_err(unexpected)? {
            LuaValue::Nil => break,
            item => items.push(convert(names, &item, next, budget)?),
        }
    }
    Ok(Value::Array(items))
}

/// Bytes with spaces in place of line ends.
fn without_lines(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// A reply of one line: line ends become spaces, as Redis makes them.
pub(super) fn one_line(text: &str) -> String {
    text.trim_end_matches(['\r', '\n']).replace(['\r', '\n'], " ")
}

/// Lua had no memory for a conversion.
fn unexpected(error: mlua::Error) -> Error {
    Error::server(&format!("ERR {}", Raised::of(&error)))
}

/// An argument of `redis.call`: a string, or a number as Redis writes it.
pub(super) fn argument(value: &LuaValue) -> Option<Vec<u8>> {
    match value {
        LuaValue::String(text) => Some(text.as_bytes().to_vec()),
        LuaValue::Integer(number) => Some(number::show(*number as f64).into_bytes()),
        LuaValue::Number(number) => Some(number::show(*number + 0.0).into_bytes()),
        _ => None,
    }
}
