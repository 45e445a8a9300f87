//! COMMAND: the rows of the table of commands, for the commands that the engine runs.

#[cfg(not(target_arch = "wasm32"))]
use super::command_docs::{described, docs};
use super::replies::{help, length, unknown_subcommand};
use crate::command::{Access, Command, CommandInfo, KeyPositions};
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::glob;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("COMMAND", -1, command)];

const HELP: &str = "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
(no subcommand)
    Return details about all Redis commands.
COUNT
    Return the total number of commands in this Redis server.
LIST
    Return a list of all commands in this Redis server.
INFO [<command-name> ...]
    Return details about multiple Redis commands.
    If no command names are given, documentation details for all
    commands are returned.
DOCS [<command-name> ...]
    Return documentation details about multiple Redis commands.
    If no command names are given, documentation details for all
    commands are returned.
GETKEYS <full-command>
    Return the keys from a full Redis command.
HELP
    Print this help.";

fn command(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        (_, 0) | ("INFO", 1) => {
            Ok(Value::Array(names(engine).map(|name| describe(engine, name)).collect()))
        }
        ("INFO", _) => {
            let names = args.from(1).map(|name| String::from_utf8_lossy(name).to_ascii_uppercase());
            Ok(Value::Array(names.map(|name| describe(engine, &name)).collect()))
        }
        // The texts would add to every wasm build.
        #[cfg(not(target_arch = "wasm32"))]
        ("DOCS", 1) => Ok(described(rows(engine))),
        #[cfg(not(target_arch = "wasm32"))]
        ("DOCS", _) => Ok(docs(engine, args)),
        ("HELP", 1) => Ok(help(HELP)),
        ("COUNT", 1) => Ok(length(names(engine).count())),
        ("LIST", 1) => Ok(list(names(engine))),
        ("LIST", 4) if args.is(1, "FILTERBY") && args.is(2, "PATTERN") => {
            let pattern = args.at(3)?.to_ascii_lowercase();
            let matches =
                |name: &&str| glob::matches(&pattern, name.to_ascii_lowercase().as_bytes());
            Ok(list(names(engine).filter(matches)))
        }
        ("LIST", _) => Err(syntax()),
        ("GETKEYS", 2..) => keys(engine, args),
        ("COUNT" | "GETKEYS" | "HELP", _) => Err(wrong_arity(&format!("command|{word}"))),
        _ => Err(unknown_subcommand("COMMAND", args)),
    }
}

/// The commands that the engine runs, without subcommands.
fn rows(engine: &Engine) -> impl Iterator<Item = &'static CommandInfo> {
    let runs = |row: &&CommandInfo| !row.name.contains(' ') && engine.handler(row.name).is_some();
    CommandInfo::all().iter().filter(runs)
}

fn names(engine: &Engine) -> impl Iterator<Item = &'static str> {
    rows(engine).map(|row| row.name)
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> Value {
    Value::Array(names.map(|name| Value::bulk(name.to_ascii_lowercase())).collect())
}

/// Name, arity, flags and the positions of the keys; nil for a command that the engine does not run.
fn describe(engine: &Engine, name: &str) -> Value {
    let Some(handler) = engine.handler(name) else { return Value::Nil };
    let info = Command::new(handler.name).info();
    let mut flags = match info.access {
        Access::Read => vec!["readonly"],
        Access::Write => vec!["write"],
        _ => Vec::new(),
    };
    let (first, last, step) = match info.keys {
        KeyPositions::Nowhere => (0, 0, 0),
        KeyPositions::At(first, last, step) => (first, last, step),
        _ => {
            flags.push("movablekeys");
            (0, 0, 0)
        }
    };
    Value::Array(vec![
        Value::bulk(name.to_ascii_lowercase()),
        Value::Integer(handler.arity as i64),
        Value::Array(flags.into_iter().map(|flag| Value::Simple(flag.into())).collect()),
        Value::Integer(first.into()),
        Value::Integer(last.into()),
        Value::Integer(step.into()),
    ])
}

fn keys(engine: &Engine, args: Args<'_>) -> Result<Value> {
    let name = String::from_utf8_lossy(args.at(1)?).into_owned();
    let command = Command::new(name).args_from(args.from(2));
    let handler = engine
        .handler(command.name())
        .ok_or_else(|| Error::server("ERR Invalid command specified"))?;
    if matches!(command.info().keys, KeyPositions::Nowhere) {
        return Err(Error::server("ERR The command has no key arguments"));
    }
    if !handler.takes(command.args().len()) {
        return Err(Error::server("ERR Invalid number of arguments specified for command"));
    }
    let positions = command.key_positions();
    if positions.is_empty() {
        return Err(Error::server("ERR The command has no key arguments"));
    }
    let keys = positions.into_iter().filter_map(|at| command.get(at));
    Ok(Value::Array(keys.map(|key| Value::bulk(key.to_vec())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::memory::commands;

    fn run(line: &str) -> Value {
        let mut words = line.split(' ').map(str::to_owned);
        let command = Command::new(words.next().unwrap_or_default()).args_from(words);
        Engine::new(commands::find)
            .run(&command, 1)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn commands_are_described_as_in_redis() {
        let info = |name: &'static str, arity, flag: &'static str, keys: [i64; 3]| {
            let mut parts = vec![Value::bulk(name), Value::Integer(arity)];
            parts.push(Value::Array(vec![Value::Simple(flag.into())]));
            parts.extend(keys.map(Value::Integer));
            Value::Array(parts)
        };
        assert_eq!(
            run("COMMAND INFO get nosuch MSET"),
            Value::Array(vec![
                info("get", 2, "readonly", [1, 1, 1]),
                Value::Nil,
                info("mset", -3, "write", [1, -1, 2]),
            ])
        );
    }

    #[test]
    fn every_command_of_the_engine_is_listed() {
        let all = commands::names().count();
        assert_eq!(run("COMMAND COUNT"), length(all));
        let Value::Array(listed) = run("COMMAND LIST") else { panic!("a list") };
        assert_eq!(listed.len(), all);
        let Value::Array(described) = run("COMMAND") else { panic!("a list") };
        assert!(!described.iter().any(Value::is_nil));
    }

    #[test]
    fn info_has_the_sections_that_are_asked_for() {
        let text =
            |line| String::from_utf8_lossy(run(line).as_bytes().unwrap_or_default()).into_owned();
        assert!(text("INFO").contains("# Server\r\nedgecask_version:"));
        assert!(text("INFO everything").contains("# Keyspace"));
        assert_eq!(
            text("INFO replication"),
            "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
        );
        assert_eq!(text("INFO nosuch"), "");
    }
}
