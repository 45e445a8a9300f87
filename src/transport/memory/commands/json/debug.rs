//! JSON.DEBUG.

use super::arguments::Arguments;
use super::documents::{absent, read};
use super::get::reply;
use crate::transport::memory::args::Args;
use crate::transport::memory::commands::replies::length;
use crate::transport::memory::json::Budget;
use crate::transport::memory::keyspace::Keyspace;
use crate::{Error, Result, Value};

/// JSON.DEBUG.
pub(super) fn debug(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    match args.text()?.to_ascii_uppercase().as_str() {
        "MEMORY" => {
            let key = args.bytes()?;
            let path = args.path_or_root()?;
            let Some(document) = read(db, key)? else {
                return Ok(if path.is_legacy() { length(0) } else { Value::Array(Vec::new()) });
            };
            let (path, budget) = (path.parse()?, Budget::new());
            reply(
                document,
                &path,
                |value| {
                    // Nested values are measured once for each value around them.
                    budget.spend(value.length().unwrap_or(0))?;
                    Ok(length(value.bytes()))
                },
                || Err(absent(path.full(), "")),
            )
        }
        "HELP" => Ok(Value::Array(
            ["MEMORY <key> [path] - reports memory usage", "HELP                - this message"]
                .map(Value::bulk)
                .to_vec(),
        )),
        _ => Err(Error::server("ERR unknown subcommand - try `JSON.DEBUG HELP`")),
    }
}
