use bytes::Bytes;

use crate::command::script::sha1;
use crate::transport::memory::args::{Args, not_an_integer, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::number;
use crate::transport::memory::script_runtime::{Call, Code};
use crate::transport::memory::scripts::{Script, without_native};
use crate::transport::memory::shebang::Shebang;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("EVAL", -3, |engine, args| eval(engine, args, false)),
    Handler::new("EVAL_RO", -3, |engine, args| eval(engine, args, true)),
    Handler::new("EVALSHA", -3, |engine, args| evalsha(engine, args, false)),
    Handler::new("EVALSHA_RO", -3, |engine, args| evalsha(engine, args, true)),
    Handler::new("SCRIPT", -2, script),
];

fn eval(engine: &mut Engine, args: Args<'_>, read_only: bool) -> Result<Value> {
    let inputs = Inputs::parse(args)?;
    let source = args.at(0)?;
    let sha = sha1(source);
    let script = match engine.scripts.get(sha.as_bytes()) {
        Some(script) => script.clone(),
        None => load(engine, &sha, source)?,
    };
    run(engine, &sha, &script, read_only, &inputs)
}

fn evalsha(engine: &mut Engine, args: Args<'_>, read_only: bool) -> Result<Value> {
    let inputs = Inputs::parse(args)?;
    let sha = args.at(0)?;
    let script = engine
        .scripts
        .get(sha)
        .cloned()
        .ok_or_else(|| Error::server("NOSCRIPT No matching script. Please use EVAL."))?;
    let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
    run(engine, &sha, &script, read_only, &inputs)
}

/// Loads a script under its sha. Where Lua runs, it has to be free of syntax errors.
fn load(engine: &mut Engine, sha: &str, source: &[u8]) -> Result<Script> {
    let shebang = Shebang::of_script(source)?;
    let native = engine.scripts.native(sha);
    let script = Script { source: Bytes::copy_from_slice(source), shebang, native };
    if engine.runs_lua() && !(native.is_some() && engine.prefers_native()) {
        let code = Code { name: sha, text: &source[shebang.code_at..] };
        engine.with_runtime(|runtime, _| runtime.compile(code))?;
    }
    engine.scripts.insert(sha.to_owned(), script.clone());
    Ok(script)
}

fn run(
    engine: &mut Engine,
    sha: &str,
    script: &Script,
    read_only: bool,
    inputs: &Inputs,
) -> Result<Value> {
    let Shebang { is_there, no_writes, code_at } = script.shebang;
    if is_there && read_only && !no_writes {
        return Err(Error::server(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    let read_only = read_only || no_writes;
    match script.native {
        Some(native) if engine.prefers_native() => {
            engine.run_native(native, read_only, &inputs.keys, &inputs.args)
        }
        _ if engine.runs_lua() => {
            let call = Call { keys: &inputs.keys, args: &inputs.args, read_only };
            let code = Code { name: sha, text: &script.source[code_at..] };
            engine.with_runtime(|runtime, engine| runtime.run(engine, code, call))
        }
        Some(native) => engine.run_native(native, read_only, &inputs.keys, &inputs.args),
        None => Err(without_native()),
    }
}

/// The keys and arguments of a call.
pub(super) struct Inputs {
    pub(super) keys: Vec<Bytes>,
    pub(super) args: Vec<Bytes>,
}

impl Inputs {
    /// What follows the name of a script or a function: a number of keys, the keys, and the arguments.
    pub(super) fn parse(args: Args<'_>) -> Result<Self> {
        let count = number::int(args.at(1)?).ok_or_else(not_an_integer)?;
        let rest = args.len() - 2;
        let count = usize::try_from(count)
            .map_err(|_| Error::server("ERR Number of keys can't be negative"))?;
        if count > rest {
            return Err(Error::server("ERR Number of keys can't be greater than number of args"));
        }
        let mut inputs = args.from(2).map(Bytes::copy_from_slice);
        Ok(Self { keys: inputs.by_ref().take(count).collect(), args: inputs.collect() })
    }
}

fn script(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    match (args.word(0).as_str(), args.len()) {
        ("LOAD", 2) => {
            let source = args.at(1)?;
            let sha = sha1(source);
            if engine.scripts.get(sha.as_bytes()).is_none() {
                load(engine, &sha, source)?;
            }
            Ok(Value::bulk(sha))
        }
        ("EXISTS", 2..) => {
            let known = |sha: &[u8]| engine.scripts.get(sha).is_some().into();
            Ok(Value::Array(args.from(1).map(known).collect()))
        }
        ("FLUSH", 1 | 2) => {
            if !matches!(args.word(1).as_str(), "" | "SYNC" | "ASYNC") {
                return Err(Error::server("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
            }
            engine.scripts.flush();
            engine.forget_scripts();
            Ok(Value::OK)
        }
        // A script runs while it has the engine, so none runs now, unless this was sent in a transaction.
        ("KILL", 1) => engine.running().kill(false),
        ("LOAD" | "EXISTS" | "FLUSH" | "KILL", _) => {
            Err(wrong_arity(&format!("script|{}", args.word(0))))
        }
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try SCRIPT HELP.",
            unknown.escape_default()
        ))),
    }
}
