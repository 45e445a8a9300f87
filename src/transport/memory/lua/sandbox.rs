//! The globals of scripts.

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

use super::budget::Budget;
use super::raised::{PRELUDE, Raised, handler, thrown};
use super::random::Random;
use super::running::Shared;
use super::watchdog::Watchdog;
use super::{bit, cjson, cmsgpack, redis, structs};

/// A state whose code sees what scripts see in Redis.
pub(super) struct Sandbox {
    pub(super) lua: Lua,
    /// The real globals, behind a table that scripts can only read.
    pub(super) globals: Table,
    /// Runs a script.
    pub(super) run: Function,
    /// The globals of libraries, which they can only read.
    pub(super) library_front: Table,
    /// Runs the code of a library.
    pub(super) load_library: Function,
    /// Calls a function of a library with keys and arguments.
    pub(super) call_function: Function,
}

impl Sandbox {
    pub(super) fn new(shared: &Shared, random: &Random, watchdog: &Watchdog) -> mlua::Result<Self> {
        let libraries = StdLib::MATH | StdLib::STRING | StdLib::TABLE | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let host = host(&lua, shared, random)?;
        host.raw_set("is_over", watchdog.is_over_function(&lua)?)?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name(PRELUDE).into_function()?;
        let made: Table = prelude.call(host)?;
        lua.set_globals(made.raw_get("front")?)?;
        Ok(Self {
            globals: made.raw_get("globals")?,
            run: made.raw_get("run")?,
            library_front: made.raw_get("library_front")?,
            load_library: made.raw_get("load_library")?,
            call_function: made.raw_get("call_function")?,
            lua,
        })
    }

    /// Compiles code under a name as Lua's errors show it.
    pub(super) fn compile(&self, text: &[u8], name: &str) -> mlua::Result<Function> {
        self.lua.load(text).set_mode(ChunkMode::Text).set_name(name).into_function()
    }
}

/// The functions of the host that the prelude needs.
fn host(lua: &Lua, shared: &Shared, random: &Random) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    host.raw_set("thrown", lua.create_function(thrown)?)?;
    host.raw_set("handler", lua.create_function(handler)?)?;
    let refuse = |lua: &Lua, _: MultiValue| {
        Err::<(), _>(Raised::text(lua, "Attempt to modify a readonly table"))
    };
    host.raw_set("refuse", lua.create_function(refuse)?)?;
    let refuse_raw = |_: &Lua, _: MultiValue| {
        Err::<(), mlua::Error>(Raised::Text(b"Attempt to modify a readonly table".to_vec()).into())
    };
    host.raw_set("refuse_raw", lua.create_function(refuse_raw)?)?;
    let missing = |lua: &Lua, (_, name): (Value, Value)| {
        let name = name.to_string()?;
        let text = format!("Script attempted to access nonexistent global variable '{name}'");
        Err::<(), _>(Raised::text(lua, &text))
    };
    host.raw_set("missing", lua.create_function(missing)?)?;
    let bad_argument = |lua: &Lua, (at, function, text): (i64, String, String)| {
        // The caller of the prelude's function.
        let text = format!("bad argument #{at} to '{function}' ({text})");
        Err::<(), _>(Raised::text_at(lua, 2, &text))
    };
    host.raw_set("bad_argument", lua.create_function(bad_argument)?)?;
    host.raw_set("loadstring", lua.create_function(loadstring)?)?;
    host.raw_set("load", lua.create_function(load)?)?;
    host.raw_set("random", random.random(lua)?)?;
    host.raw_set("randomseed", random.randomseed(lua)?)?;
    let libraries = lua.create_table()?;
    libraries.raw_set("redis", redis::table(lua, shared)?)?;
    libraries.raw_set("bit", bit::library(lua)?)?;
    libraries.raw_set("cjson", cjson::library(lua)?)?;
    libraries.raw_set("cmsgpack", cmsgpack::library(lua)?)?;
    libraries.raw_set("struct", structs::library(lua)?)?;
    host.raw_set("libraries", libraries)?;
    host.raw_set("loading_redis", redis::loading_table(lua, shared)?)?;
    Ok(host)
}

/// `loadstring`. It takes no compiled code, which could harm the process.
fn loadstring(lua: &Lua, args: MultiValue) -> mlua::Result<(Option<Function>, Option<String>)> {
    let text = |at: usize| match args.get(at) {
        Some(value) => lua.coerce_string(value.clone()),
        None => Ok(None),
    };
    let Some(code) = text(0)? else {
        let got = args.front().map_or("no value", Value::type_name);
        let text = format!("string expected, got {got}");
        return Err(Raised::bad_argument(lua, 1, "loadstring", &text));
    };
    let name = text(1)?.map_or_else(|| code.to_string_lossy(), |name| name.to_string_lossy());
    compiled(lua, &code.as_bytes(), name)
}

/// `load`: the code comes in pieces from a function.
fn load(lua: &Lua, args: MultiValue) -> mlua::Result<(Option<Function>, Option<String>)> {
    let Some(Value::Function(next)) = args.front() else {
        let got = args.front().map_or("no value", Value::type_name);
        let text = format!("function expected, got {got}");
        return Err(Raised::bad_argument(lua, 1, "load", &text));
    };
    let (mut code, mut budget) = (Vec::new(), Budget::new());
    loop {
        match next.call::<Value>(())? {
            Value::Nil => break,
            piece => match lua.coerce_string(piece)? {
                Some(piece) if !piece.as_bytes().is_empty() => {
                    budget.take(piece.as_bytes().len())?;
                    code.extend_from_slice(&piece.as_bytes());
                }
                Some(_) => break,
                None => return Ok((None, Some("reader function must return a string".to_owned()))),
            },
        }
    }
    let name = match args.get(1) {
        Some(name) => lua.coerce_string(name.clone())?.map(|name| name.to_string_lossy()),
        None => None,
    };
    compiled(lua, &code, name.unwrap_or_else(|| "=(load)".to_owned()))
}

fn compiled(
    lua: &Lua,
    code: &[u8],
    name: String,
) -> mlua::Result<(Option<Function>, Option<String>)> {
    let name = name.replace('\0', " ");
    match lua.load(code).set_mode(ChunkMode::Text).set_name(name).into_function() {
        Ok(function) => Ok((Some(function), None)),
        Err(mlua::Error::SyntaxError { message, .. }) => Ok((None, Some(message))),
        Err(error) => Err(error),
    }
}
