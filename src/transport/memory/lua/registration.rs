//! `redis.register_function`, which only the code of a library sees while it is loaded.

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value};

use super::raised::Raised;
use super::running::{Shared, lock};
use crate::transport::memory::script_runtime::Registered;
use crate::transport::memory::shebang::{BAD_NAME, is_flag, is_name};

pub(super) fn function(lua: &Lua, shared: &Shared) -> mlua::Result<Function> {
    let shared = Shared::clone(shared);
    lua.create_function(move |lua, args: MultiValue| {
        let (registered, callback) = parsed(lua, &args)?;
        if !is_name(&registered.name) {
            return refuse(BAD_NAME);
        }
        let mut running = lock(&shared);
        let Some(functions) = &mut running.registering else {
            return refuse("redis.register_function can only be called on FUNCTION LOAD command");
        };
        if functions.iter().any(|(other, _)| other.name == registered.name) {
            return refuse("Function already exists in the library");
        }
        functions.push((registered, callback));
        Ok(())
    })
}

fn refuse<T>(text: &str) -> mlua::Result<T> {
    Err(Raised::reply(&format!("ERR {text}")))
}

fn parsed(lua: &Lua, args: &MultiValue) -> mlua::Result<(Registered, Function)> {
    match args.iter().collect::<Vec<_>>()[..] {
        [Value::Table(named)] => named_arguments(lua, named),
        [_] => refuse(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
        ),
        [name, callback] => {
            let Some(name) = text(lua, name)? else {
                return refuse("first argument to redis.register_function must be a string");
            };
            let Value::Function(callback) = callback else {
                return refuse("second argument to redis.register_function must be a function");
            };
            Ok((Registered { name, description: None, flags: Vec::new() }, callback.clone()))
        }
        _ => refuse("wrong number of arguments to redis.register_function"),
    }
}

/// A string, or a number as one.
fn text(lua: &Lua, value: &Value) -> mlua::Result<Option<String>> {
    Ok(lua.coerce_string(value.clone())?.as_ref().map(LuaString::to_string_lossy))
}

fn named_arguments(lua: &Lua, named: &Table) -> mlua::Result<(Registered, Function)> {
    let (mut name, mut description, mut callback, mut flags) = (None, None, None, Vec::new());
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = text(lua, &key)? else {
            return refuse("named argument key given to redis.register_function is not a string");
        };
        match (key.as_str(), value) {
            ("function_name", value) => match text(lua, &value)? {
                Some(text) => name = Some(text),
                None => {
                    return refuse(
                        "function_name argument given to redis.register_function must be a string",
                    );
                }
            },
            ("description", value) => match text(lua, &value)? {
                Some(text) => description = Some(text),
                None => {
                    return refuse(
                        "description argument given to redis.register_function must be a string",
                    );
                }
            },
            ("callback", Value::Function(function)) => callback = Some(function),
            ("callback", _) => {
                return refuse(
                    "callback argument given to redis.register_function must be a function",
                );
            }
            ("flags", Value::Table(table)) => {
                for flag in table.sequence_values::<Value>() {
                    match text(lua, &flag?)?.filter(|flag| is_flag(flag)) {
                        Some(flag) => flags.push(flag),
                        None => return refuse("unknown flag given"),
                    }
                }
            }
            ("flags", _) => {
                return refuse(
                    "flags argument to redis.register_function must be a table representing function flags",
                );
            }
            _ => return refuse("unknown argument given to redis.register_function"),
        }
    }
    let Some(name) = name else {
        return refuse("redis.register_function must get a function name argument");
    };
    let Some(callback) = callback else {
        return refuse("redis.register_function must get a callback argument");
    };
    Ok((Registered { name, description, flags }, callback))
}
