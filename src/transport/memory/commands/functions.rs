use bytes::Bytes;

use super::replies::length;
use super::scripting::Inputs;
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::glob;
use crate::transport::memory::libraries::{Libraries, Library};
use crate::transport::memory::script_runtime::{Call, Code, Registered};
use crate::transport::memory::shebang::library_name;
use crate::transport::memory::{number, rdb};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("FCALL", -3, |engine, args| fcall(engine, args, false, false)),
    Handler::new("FCALL_RO", -3, |engine, args| fcall(engine, args, true, true)),
    Handler::new("FUNCTION", -2, function),
];

/// FCALL_RO of a function that need not say that it does not write.
pub(super) fn fcall_undeclared_ro(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    fcall(engine, args, true, false)
}

fn fcall(
    engine: &mut Engine,
    args: Args<'_>,
    read_only: bool,
    has_to_declare: bool,
) -> Result<Value> {
    let name = String::from_utf8_lossy(args.at(0)?).into_owned();
    let Some((library_name, library, function)) = engine.libraries.function(&name) else {
        return Err(Error::server("ERR Function not found"));
    };
    if number::int(args.at(1)?).is_none() {
        return Err(Error::server("ERR Bad number of keys provided"));
    }
    let inputs = Inputs::parse(args)?;
    let no_writes = function.flags.iter().any(|flag| flag == "no-writes");
    if has_to_declare && !no_writes {
        return Err(Error::server(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let allow_oom = function.flags.iter().any(|flag| flag == "allow-oom");
    let (library_name, library) = (library_name.to_owned(), library.clone());
    engine.begin_script(!no_writes, allow_oom)?;
    let call = Call { keys: &inputs.keys, args: &inputs.args, read_only: read_only || no_writes };
    engine.with_runtime(|runtime, engine| {
        runtime.call_function(engine, code(&library_name, &library), &name, call)
    })
}

fn code<'a>(name: &'a str, library: &'a Library) -> Code<'a> {
    Code { name, text: &library.source[library.code_at..] }
}

fn function(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("LOAD", 2..) => load(engine, args.without_first()),
        ("DELETE", 2) => {
            let name = String::from_utf8_lossy(args.at(1)?);
            if !engine.libraries.remove(&name) {
                return Err(Error::server("ERR Library not found"));
            }
            engine.forget_library(&name);
            Ok(Value::OK)
        }
        ("FLUSH", 1 | 2) => {
            if !matches!(args.word(1).as_str(), "" | "SYNC" | "ASYNC") {
                return Err(Error::server("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
            }
            engine.libraries.clear();
            engine.forget_libraries();
            Ok(Value::OK)
        }
        ("LIST", _) => list(engine, args.without_first()),
        ("STATS", 1) => Ok(stats(engine)),
        ("DUMP", 1) => {
            let sources = engine.libraries.iter().map(|(_, library)| &library.source);
            Ok(Value::bulk(rdb::functions(sources)))
        }
        ("RESTORE", 2 | 3) => restore(engine, args.without_first()),
        // A function runs while it has the engine, so none runs now, unless this was sent in a transaction.
        ("KILL", 1) => engine.running().kill(true),
        ("RESTORE", 4..) => Err(Error::server(
            "ERR unknown subcommand or wrong number of arguments for 'restore'. Try FUNCTION HELP.",
        )),
        ("FLUSH", _) => Err(Error::server(
            "ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.",
        )),
        ("LOAD" | "DELETE" | "STATS" | "DUMP" | "RESTORE" | "KILL", _) => {
            Err(wrong_arity(&format!("function|{word}")))
        }
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try FUNCTION HELP.",
            unknown.escape_default()
        ))),
    }
}

fn load(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let options = args.len() - 1;
    let mut replaces = false;
    for at in 0..options {
        if !args.is(at, "REPLACE") {
            let option = String::from_utf8_lossy(args.at(at)?).into_owned();
            return Err(Error::server(&format!("ERR Unknown option given: {option}")));
        }
        replaces = true;
    }
    let name = add(engine, args.bytes(options)?, replaces)?;
    Ok(Value::bulk(name))
}

/// Runs the code of a library, and keeps what it registers. Returns the name of the library.
fn add(engine: &mut Engine, source: Bytes, replaces: bool) -> Result<String> {
    let (name, _) = library_name(&source)?;
    if !replaces && engine.libraries.get(&name).is_some() {
        return Err(exists(&format!("'{name}'")));
    }
    let inserted = loaded(engine, source)
        .and_then(|(name, library)| engine.libraries.insert(name.clone(), library));
    if let Err(error) = inserted {
        // The library that was there before is compiled again when it is called.
        engine.forget_library(&name);
        return Err(error);
    }
    Ok(name)
}

/// Runs the code of a library. Returns its name, and what it registers.
fn loaded(engine: &mut Engine, source: Bytes) -> Result<(String, Library)> {
    let (name, code_at) = library_name(&source)?;
    let mut library = Library { source, code_at, functions: Vec::new() };
    library.functions =
        engine.with_runtime(|runtime, _| runtime.load_library(code(&name, &library)))?;
    match library.functions.is_empty() {
        true => Err(Error::server("ERR No functions registered")),
        false => Ok((name, library)),
    }
}

fn exists(library: &str) -> Error {
    Error::server(&format!("ERR Library {library} already exists"))
}

/// Adds the libraries of a file. An engine without Lua keeps them as they are.
#[cfg(not(target_arch = "wasm32"))]
pub(in crate::transport::memory) fn load_all(
    engine: &mut Engine,
    sources: Vec<Bytes>,
) -> Result<()> {
    for source in sources {
        if engine.runs_lua() {
            add(engine, source, false)?;
        } else {
            let (name, code_at) = library_name(&source)?;
            engine.libraries.insert(name, Library { source, code_at, functions: Vec::new() })?;
        }
    }
    Ok(())
}

/// Adds the libraries of a payload: all of them, or none.
fn restore(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let (flushes, replaces) = match args.word(1).as_str() {
        "" | "APPEND" => (false, false),
        "REPLACE" => (false, true),
        "FLUSH" => (true, false),
        _ => {
            return Err(Error::server(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let sources = rdb::restore_functions(args.at(0)?)?;
    let mut new = Libraries::default();
    let loaded = sources.into_iter().try_for_each(|source| {
        let (name, library) = loaded(engine, source)?;
        match new.get(&name) {
            Some(_) => Err(exists(&format!("'{name}'"))),
            None => new.insert(name, library),
        }
    });
    let joined = loaded.and_then(|()| engine.libraries.join(new, flushes, replaces));
    // What is there is compiled again when it is called.
    engine.forget_libraries();
    joined.map(|()| Value::OK)
}

fn list(engine: &Engine, args: Args<'_>) -> Result<Value> {
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 0;
    while at < args.len() {
        if !with_code && args.is(at, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.is(at, "LIBRARYNAME") {
            at += 1;
            let given = args.get(at);
            pattern = Some(
                given.ok_or_else(|| Error::server("ERR library name argument was not given"))?,
            );
        } else {
            let word = String::from_utf8_lossy(args.at(at)?).into_owned();
            return Err(Error::server(&format!("ERR Unknown argument {word}")));
        }
        at += 1;
    }
    let matches =
        |name: &str| pattern.is_none_or(|pattern| glob::matches(pattern, name.as_bytes()));
    let libraries = engine.libraries.iter().filter(|(name, _)| matches(name));
    Ok(Value::Array(libraries.map(|(name, library)| described(name, library, with_code)).collect()))
}

fn described(name: &str, library: &Library, with_code: bool) -> Value {
    let text = |text: &str| Value::bulk(text.to_owned());
    let function = |function: &Registered| {
        let description = function.description.as_deref().map_or(Value::Nil, text);
        let flags = function.flags.iter().map(|flag| Value::Simple(flag.clone().into())).collect();
        Value::Array(vec![
            text("name"),
            text(&function.name),
            text("description"),
            description,
            text("flags"),
            Value::Array(flags),
        ])
    };
    let functions = library.functions.iter().map(function).collect();
    let mut fields = vec![
        text("library_name"),
        text(name),
        text("engine"),
        text("LUA"),
        text("functions"),
        Value::Array(functions),
    ];
    if with_code {
        fields.extend([text("library_code"), Value::Bulk(library.source.clone())]);
    }
    Value::Array(fields)
}

fn stats(engine: &Engine) -> Value {
    let text = |text: &str| Value::bulk(text.to_owned());
    let (mut libraries, mut functions) = (0, 0);
    for (_, library) in engine.libraries.iter() {
        libraries += 1;
        functions += library.functions.len();
    }
    let of_lua = Value::Array(vec![
        text("libraries_count"),
        length(libraries),
        text("functions_count"),
        length(functions),
    ]);
    Value::Array(vec![
        text("running_script"),
        Value::Nil,
        text("engines"),
        Value::Array(vec![text("LUA"), of_lua]),
    ])
}
