//! The table `redis` of a script.

use std::sync::Arc;

use mlua::{Lua, MultiValue, Table, Value as LuaValue};

use super::budget::Budget;
use super::convert::{argument, one_line, to_lua, truncated};
use super::raised::Raised;
use super::registration;
use super::running::{Shared, lock};
use crate::command::Command;
use crate::command::script::sha1;
use crate::transport::memory::resp3;

/// The version of Redis with which the sandbox was compared.
const VERSION: (&str, u32) = ("8.0.2", 0x0008_0002);

/// The table `redis` that libraries see while they are loaded.
pub(super) fn loading_table(lua: &Lua, shared: &Shared) -> mlua::Result<Table> {
    let table = constants(lua)?;
    table.raw_set("log", lua.create_function(log)?)?;
    table.raw_set("register_function", registration::function(lua, shared)?)?;
    Ok(table)
}

fn constants(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for (name, number) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
        ("REDIS_VERSION_NUM", VERSION.1),
    ] {
        table.raw_set(name, number)?;
    }
    table.raw_set("REDIS_VERSION", VERSION.0)?;
    Ok(table)
}

/// The table `redis` that scripts and functions see.
pub(super) fn table(lua: &Lua, shared: &Shared) -> mlua::Result<Table> {
    let table = constants(lua)?;
    let of_call = Arc::clone(shared);
    let call = move |lua: &Lua, args: MultiValue| Ok(call(lua, &of_call, &args)??);
    table.raw_set("call", lua.create_function(call)?)?;
    let of_pcall = Arc::clone(shared);
    let pcall = move |lua: &Lua, args: MultiValue| match self::call(lua, &of_pcall, &args)? {
        Ok(reply) => Ok(reply),
        Err(raised) => raised.into_lua(lua),
    };
    table.raw_set("pcall", lua.create_function(pcall)?)?;

    table.raw_set("error_reply", lua.create_function(error_reply)?)?;
    table.raw_set("status_reply", lua.create_function(status_reply)?)?;
    table.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    table.raw_set("log", lua.create_function(log)?)?;
    table.raw_set("acl_check_cmd", lua.create_function(acl_check_cmd)?)?;
    let of_setresp = Arc::clone(shared);
    let setresp = move |lua: &Lua, args: MultiValue| {
        lock(&of_setresp).resp3 = setresp(lua, &args)?;
        Ok(())
    };
    table.raw_set("setresp", lua.create_function(setresp)?)?;
    table.raw_set("set_repl", lua.create_function(set_repl)?)?;
    // Functions whose effect only a debugger or replication would notice.
    table.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    table.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    table.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    Ok(table)
}

/// Runs a command. The inner error is that of the command.
fn call(
    lua: &Lua,
    shared: &Shared,
    args: &MultiValue,
) -> mlua::Result<std::result::Result<LuaValue, Raised>> {
    let refuse = |text: &str| Ok(Err(Raised::Reply(text.as_bytes().to_vec())));
    let mut budget = Budget::new();
    for arg in args {
        if let LuaValue::String(text) = arg {
            budget.take(text.as_bytes().len())?;
        }
    }
    let mut words = args.iter().map(argument);
    let Some(name) = words.next() else {
        return refuse("ERR Please specify at least one argument for this redis lib call");
    };
    let words: Option<Vec<_>> = words.collect();
    let (Some(name), Some(words)) = (name, words) else {
        return refuse("ERR Lua redis lib command arguments must be strings or integers");
    };
    let name = String::from_utf8_lossy(&name).into_owned();
    let command = Command::new(name).args_from(words);
    let mut running = lock(shared);
    if !running.is_running {
        return refuse("ERR redis.call/pcall can only be called inside a script invocation");
    }
    let read_only = running.read_only;
    let reply = running.engine.call_from_script(&command, read_only);
    let resp3 = running.resp3;
    drop(running);
    match reply {
        Ok(reply) if resp3 => to_lua(lua, resp3::of(&command, reply), true).map(Ok),
        Ok(reply) => to_lua(lua, reply, false).map(Ok),
        Err(error) => Ok(Err(Raised::CommandReply(one_line(error.message()).into_bytes()))),
    }
}

const WRONG_ARGUMENTS: &str = "ERR wrong number or type of arguments";

/// The text, if it is the only argument.
fn only_text(args: &MultiValue) -> Option<Vec<u8>> {
    match args.iter().collect::<Vec<_>>()[..] {
        [LuaValue::String(text)] => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

/// The error reply of a text: its first word is the code, and a single word has the code ERR.
fn error_reply(lua: &Lua, args: MultiValue) -> mlua::Result<LuaValue> {
    let Some(text) = only_text(&args) else {
        return Raised::Reply(WRONG_ARGUMENTS.as_bytes().to_vec()).into_lua(lua);
    };
    let text = String::from_utf8_lossy(&text);
    let text = text.strip_prefix('-').unwrap_or(&text);
    let text = text.trim_end_matches(['\r', '\n']);
    let text = if text.contains(' ') { text.to_owned() } else { format!("ERR {text}") };
    Raised::Reply(text.into_bytes()).into_lua(lua)
}

fn status_reply(lua: &Lua, args: MultiValue) -> mlua::Result<LuaValue> {
    let Some(text) = only_text(&args) else {
        return Raised::Reply(WRONG_ARGUMENTS.as_bytes().to_vec()).into_lua(lua);
    };
    let table = lua.create_table()?;
    table.raw_set("ok", lua.create_string(text)?)?;
    Ok(LuaValue::Table(table))
}

fn sha1hex(lua: &Lua, args: MultiValue) -> mlua::Result<String> {
    match args.iter().collect::<Vec<_>>()[..] {
        [text] => Ok(match lua.coerce_string(text.clone())? {
            Some(text) => sha1(&text.as_bytes()),
            None => sha1(b""),
        }),
        _ => Err(Raised::reply("ERR wrong number of arguments")),
    }
}

fn log(lua: &Lua, args: MultiValue) -> mlua::Result<()> {
    let args = args.into_vec();
    let [level, texts @ ..] = &args[..] else {
        return Err(Raised::reply("ERR redis.log() requires two arguments or more."));
    };
    if texts.is_empty() {
        return Err(Raised::reply("ERR redis.log() requires two arguments or more."));
    }
    let level = match level {
        LuaValue::Integer(level) => *level,
        LuaValue::Number(level) => truncated(*level),
        _ => return Err(Raised::reply("ERR First argument must be a number (log level).")),
    };
    let (mut words, mut budget) = (Vec::new(), Budget::new());
    for text in texts {
        if let Some(text) = lua.coerce_string(text.clone())? {
            budget.take(text.as_bytes().len())?;
            words.push(text.to_string_lossy());
        }
    }
    let text = words.join(" ");
    match level {
        0 => tracing::trace!(target: "edgecask::script", "{text}"),
        1 => tracing::debug!(target: "edgecask::script", "{text}"),
        2 => tracing::info!(target: "edgecask::script", "{text}"),
        3 => tracing::warn!(target: "edgecask::script", "{text}"),
        _ => return Err(Raised::reply("ERR Invalid log level.")),
    }
    Ok(())
}

/// Whether the version is 3.
fn setresp(lua: &Lua, args: &MultiValue) -> mlua::Result<bool> {
    let args: mlua::Result<Vec<_>> =
        args.iter().map(|arg| lua.coerce_integer(arg.clone())).collect();
    match args?[..] {
        [Some(2)] => Ok(false),
        [Some(3)] => Ok(true),
        [_] => Err(Raised::reply("ERR RESP version must be 2 or 3.")),
        _ => Err(Raised::reply("ERR redis.setresp() requires one argument.")),
    }
}

fn set_repl(_: &Lua, args: MultiValue) -> mlua::Result<()> {
    match args.iter().collect::<Vec<_>>()[..] {
        [LuaValue::Integer(0..=3)] => Ok(()),
        [_] => Err(Raised::reply(
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        )),
        _ => Err(Raised::reply("ERR redis.set_repl() requires one argument.")),
    }
}

/// The engine has no users: every command that exists is allowed.
fn acl_check_cmd(_: &Lua, args: MultiValue) -> mlua::Result<bool> {
    let Some(name) = args.front().map(argument) else {
        return Err(Raised::reply(
            "ERR Please specify at least one argument for this redis lib call",
        ));
    };
    let name = name.map(|name| String::from_utf8_lossy(&name).into_owned());
    match name.map(|name| Command::new(name).info().name) {
        Some(name) if !name.is_empty() => Ok(true),
        _ => Err(Raised::reply("ERR Invalid command passed to redis.acl_check_cmd()")),
    }
}
