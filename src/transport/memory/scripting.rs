use std::collections::HashMap;

use bytes::Bytes;

use super::args::{Args, not_an_integer};
use super::engine::{Engine, Handler, wrong_arity};
use super::number;
use crate::command::scripting::sha1;
use crate::command::{Access, Command, ScriptContext, Twin};
use crate::{Error, ErrorKind, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("EVAL", -3, |engine, args| eval(engine, args, false)),
    Handler::new("EVAL_RO", -3, |engine, args| eval(engine, args, true)),
    Handler::new("EVALSHA", -3, |engine, args| evalsha(engine, args, false)),
    Handler::new("EVALSHA_RO", -3, |engine, args| evalsha(engine, args, true)),
    Handler::new("SCRIPT", -2, script),
];

/// The scripts that the engine knows, by sha.
#[derive(Clone, Default)]
pub(super) struct Scripts {
    loaded: HashMap<String, Option<Twin>>,
    /// Twins outlive SCRIPT FLUSH: they are code of this program, not data that was sent.
    twins: HashMap<String, Twin>,
}

impl Scripts {
    pub(super) fn register(&mut self, source: &[u8], twin: Option<Twin>) {
        if let Some(twin) = twin {
            self.twins.insert(sha1(source), twin);
        }
    }

    fn load(&mut self, source: &[u8], twin: Option<Twin>) -> (String, Option<Twin>) {
        let sha = sha1(source);
        let twin = twin.or_else(|| self.twins.get(&sha).copied());
        self.loaded.insert(sha.clone(), twin);
        (sha, twin)
    }
}

impl Scripts {
    /// Refuses a script without a twin. One whose sha is not known is not refused: NOSCRIPT says so, and the client sends
    /// the text.
    pub(super) fn check(&self, command: &Command) -> Result<()> {
        let Some(script) = command.get(0).filter(|_| command.twin().is_none()) else {
            return Ok(());
        };
        let runs = match command.name() {
            "EVAL" | "EVAL_RO" => self.twins.contains_key(&sha1(script)),
            "EVALSHA" | "EVALSHA_RO" => {
                let sha = String::from_utf8_lossy(script).to_ascii_lowercase();
                self.loaded.get(&sha).is_none_or(Option::is_some)
            }
            _ => true,
        };
        match runs {
            true => Ok(()),
            false => Err(without_twin()),
        }
    }
}

fn without_twin() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the embedded engine does not run Lua: give the Script a native twin, or register one for this source",
    )
}

fn eval(engine: &mut Engine, args: Args<'_>, read_only: bool) -> Result<Value> {
    let inputs = Inputs::parse(args)?;
    let (_, twin) = engine.scripts.load(args.at(0)?, args.command().twin());
    run(engine, twin, read_only, &inputs)
}

fn evalsha(engine: &mut Engine, args: Args<'_>, read_only: bool) -> Result<Value> {
    let inputs = Inputs::parse(args)?;
    let sha = String::from_utf8_lossy(args.at(0)?).to_ascii_lowercase();
    let twin = engine
        .scripts
        .loaded
        .get(&sha)
        .ok_or_else(|| Error::server("NOSCRIPT No matching script. Please use EVAL."))?;
    let twin = twin.or(args.command().twin());
    run(engine, twin, read_only, &inputs)
}

fn run(engine: &mut Engine, twin: Option<Twin>, read_only: bool, inputs: &Inputs) -> Result<Value> {
    let twin = twin.ok_or_else(without_twin)?;
    engine.run_twin(twin, read_only, &inputs.keys, &inputs.args)
}

struct Inputs {
    keys: Vec<Bytes>,
    args: Vec<Bytes>,
}

impl Inputs {
    fn parse(args: Args<'_>) -> Result<Self> {
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
        ("LOAD", 2) => Ok(Value::bulk(engine.scripts.load(args.at(1)?, None).0)),
        ("EXISTS", 2..) => {
            let known = |sha: &[u8]| {
                let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
                engine.scripts.loaded.contains_key(&sha).into()
            };
            Ok(Value::Array(args.from(1).map(known).collect()))
        }
        ("FLUSH", 1 | 2) => {
            engine.scripts.loaded.clear();
            Ok(Value::OK)
        }
        ("LOAD" | "EXISTS" | "FLUSH", _) => Err(wrong_arity(&format!("script|{}", args.word(0)))),
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try SCRIPT HELP.",
            unknown.escape_default()
        ))),
    }
}

/// What a twin sees of the engine.
pub(super) struct TwinContext<'a> {
    call: &'a mut dyn FnMut(&Command) -> Result<Value>,
    read_only: bool,
}

impl<'a> TwinContext<'a> {
    pub(super) fn new(call: &'a mut dyn FnMut(&Command) -> Result<Value>, read_only: bool) -> Self {
        Self { call, read_only }
    }
}

impl ScriptContext for TwinContext<'_> {
    fn call(&mut self, command: Command) -> Result<Value> {
        if matches!(command.name(), "EVAL" | "EVAL_RO" | "EVALSHA" | "EVALSHA_RO" | "SCRIPT") {
            return Err(Error::server("ERR This Redis command is not allowed from script"));
        }
        if self.read_only && command.info().access == Access::Write {
            return Err(Error::server(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        (self.call)(&command)
    }
}
