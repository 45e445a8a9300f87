//! The library `cjson`, as Redis has it (lua-cjson 2.1.0).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{Arguments, add, one};
use super::budget::Budget;
use super::cjson_settings::{Invalid, Settings};
use super::convert::truncated;
use super::json_reader::Reader;
use super::json_writer::{Problem, Writer};

type Shared = Arc<Mutex<Settings>>;

fn settings(shared: &Shared) -> MutexGuard<'_, Settings> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let shared = Shared::default();
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("new", lua.create_function(|lua, ()| self::library(lua))?)?;
    let with = |name, run: fn(&Arguments<'_>, &Shared) -> mlua::Result<MultiValue>| {
        let shared = Arc::clone(&shared);
        add(lua, &library, name, move |args| run(args, &shared))
    };
    with("encode", |args, shared| {
        if args.len() != 1 {
            return Err(args.refuse(1, "expected 1 argument"));
        }
        let mut writer = Writer::new(*settings(shared), Budget::timed(args.lua));
        match writer.value(args.at(1).unwrap_or(&Value::Nil)) {
            Ok(()) => Ok(one(Value::String(args.lua.create_string(writer.into_text())?))),
            Err(Problem::Value(text)) => Err(args.fail(&text)),
            Err(Problem::Lua(error)) => Err(error),
        }
    })?;
    with("decode", |args, shared| {
        if args.len() != 1 {
            return Err(args.refuse(1, "expected 1 argument"));
        }
        let text = args.string(1)?;
        let text = text.as_bytes();
        let settings = *settings(shared);
        match Reader::new(args.lua, &text, settings.decode_invalid, settings.decode_depth).all() {
            Ok(value) => Ok(one(value)),
            Err(Problem::Value(text)) => Err(args.fail(&text)),
            Err(Problem::Lua(error)) => Err(error),
        }
    })?;
    with("encode_sparse_array", |args, shared| {
        expect_at_most(args, 3)?;
        let mut settings = settings(shared);
        set_flag(args, 1, &mut settings.sparse_convert)?;
        set_number(args, 2, 0..=i64::from(i32::MAX), &mut settings.sparse_ratio)?;
        set_number(args, 3, 0..=i64::from(i32::MAX), &mut settings.sparse_safe)?;
        Ok(MultiValue::from_iter([
            Value::Boolean(settings.sparse_convert),
            Value::Integer(settings.sparse_ratio),
            Value::Integer(settings.sparse_safe),
        ]))
    })?;
    with("encode_max_depth", |args, shared| {
        let depth = &mut settings(shared).encode_depth;
        set_number(args, 1, 1..=i64::from(i32::MAX), depth)?;
        Ok(one(Value::Integer(*depth)))
    })?;
    with("decode_max_depth", |args, shared| {
        let depth = &mut settings(shared).decode_depth;
        set_number(args, 1, 1..=i64::from(i32::MAX), depth)?;
        Ok(one(Value::Integer(*depth)))
    })?;
    with("encode_number_precision", |args, shared| {
        let mut settings = settings(shared);
        let mut precision = settings.precision as i64;
        set_number(args, 1, 1..=14, &mut precision)?;
        settings.precision = usize::try_from(precision).unwrap_or(14);
        Ok(one(Value::Integer(precision)))
    })?;
    with("encode_keep_buffer", |args, shared| {
        let keep_buffer = &mut settings(shared).keep_buffer;
        set_flag(args, 1, keep_buffer)?;
        Ok(one(Value::Boolean(*keep_buffer)))
    })?;
    with("decode_invalid_numbers", |args, shared| {
        let invalid = &mut settings(shared).decode_invalid;
        set_flag(args, 1, invalid)?;
        Ok(one(Value::Boolean(*invalid)))
    })?;
    with("encode_invalid_numbers", |args, shared| {
        let invalid = &mut settings(shared).encode_invalid;
        match args.at(1) {
            None => {}
            Some(Value::Boolean(true)) => *invalid = Invalid::Written,
            Some(Value::Boolean(false)) => *invalid = Invalid::Refused,
            Some(Value::String(word)) if word.as_bytes() == b"null" => *invalid = Invalid::Null,
            Some(Value::String(word)) if word.as_bytes() == b"on" => *invalid = Invalid::Written,
            Some(Value::String(word)) if word.as_bytes() == b"off" => *invalid = Invalid::Refused,
            Some(other) => {
                let text = format!("invalid option '{}'", other.to_string()?);
                return Err(args.refuse(1, &text));
            }
        }
        Ok(one(match *invalid {
            Invalid::Refused => Value::Boolean(false),
            Invalid::Written => Value::Boolean(true),
            Invalid::Null => Value::String(args.lua.create_string("null")?),
        }))
    })?;
    Ok(library)
}

fn expect_at_most(args: &Arguments<'_>, most: usize) -> mlua::Result<()> {
    match args.len() <= most {
        true => Ok(()),
        false => Err(args.refuse(most + 1, "found too many arguments")),
    }
}

fn set_number(
    args: &Arguments<'_>,
    at: usize,
    range: std::ops::RangeInclusive<i64>,
    setting: &mut i64,
) -> mlua::Result<()> {
    if matches!(args.at(at), None | Some(Value::Nil)) {
        return Ok(());
    }
    let number = truncated(args.number(at)?);
    if !range.contains(&number) {
        let text = format!("expected integer between {} and {}", range.start(), range.end());
        return Err(args.refuse(at, &text));
    }
    *setting = number;
    Ok(())
}

fn set_flag(args: &Arguments<'_>, at: usize, setting: &mut bool) -> mlua::Result<()> {
    match args.at(at) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(yes)) => *setting = *yes,
        Some(Value::String(word)) if word.as_bytes() == b"on" => *setting = true,
        Some(Value::String(word)) if word.as_bytes() == b"off" => *setting = false,
        Some(other) => {
            let text = format!("invalid option '{}'", other.to_string()?);
            return Err(args.refuse(at, &text));
        }
    }
    Ok(())
}
