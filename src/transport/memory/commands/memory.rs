//! MEMORY.

use super::replies::{help, length, unknown_subcommand};
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::size;
use crate::{Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys!["MEMORY" -2 memory];

const HELP: &str = "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
USAGE <key> [SAMPLES <count>]
    Return memory in bytes used by <key> and its value. Nested values are
    sampled up to <count> times (default: 5, 0 means sample all).
HELP
    Print this help.";

fn memory(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("HELP", 1) => Ok(help(HELP)),
        ("USAGE", 2..) => {
            let mut at = 2;
            while at < args.len() {
                if !args.is(at, "SAMPLES") || at + 1 >= args.len() {
                    return Err(syntax());
                }
                // All elements are counted in any case.
                usize::try_from(args.int(at + 1)?).map_err(|_| syntax())?;
                at += 2;
            }
            let key = args.at(1)?;
            let size = db.entry(key).map(|entry| size::of(key, &entry.data));
            Ok(size.map_or(Value::Nil, length))
        }
        ("HELP" | "USAGE", _) => Err(wrong_arity(&format!("memory|{word}"))),
        _ => Err(unknown_subcommand("MEMORY", args)),
    }
}
