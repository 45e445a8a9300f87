use bytes::Bytes;

use crate::command::NativeScript;
use crate::transport::memory::args::{Args, not_an_integer, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::number;
use crate::transport::memory::scripts::without_native;
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
    let (_, native) = engine.scripts.load(args.at(0)?, args.command().native());
    run(engine, native, read_only, &inputs)
}

fn evalsha(engine: &mut Engine, args: Args<'_>, read_only: bool) -> Result<Value> {
    let inputs = Inputs::parse(args)?;
    let native = engine
        .scripts
        .get(args.at(0)?)
        .ok_or_else(|| Error::server("NOSCRIPT No matching script. Please use EVAL."))?;
    let native = native.or(args.command().native());
    run(engine, native, read_only, &inputs)
}

fn run(
    engine: &mut Engine,
    native: Option<NativeScript>,
    read_only: bool,
    inputs: &Inputs,
) -> Result<Value> {
    let native = native.ok_or_else(without_native)?;
    engine.run_native(native, read_only, &inputs.keys, &inputs.args)
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
            let known = |sha: &[u8]| engine.scripts.get(sha).is_some().into();
            Ok(Value::Array(args.from(1).map(known).collect()))
        }
        ("FLUSH", 1 | 2) => {
            engine.scripts.flush();
            Ok(Value::OK)
        }
        ("LOAD" | "EXISTS" | "FLUSH", _) => Err(wrong_arity(&format!("script|{}", args.word(0)))),
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try SCRIPT HELP.",
            unknown.escape_default()
        ))),
    }
}
