//! What the replies of several commands have in common.

use crate::transport::memory::args::Args;
use crate::transport::memory::stream::{Fields, StreamId};
use crate::{Error, Result, Value};

/// An entry, as replies show it.
pub(super) fn entry(id: StreamId, fields: &Fields) -> Value {
    let parts = fields.iter().flat_map(|(field, value)| [field, value]);
    let parts = parts.map(|part| Value::Bulk(part.clone())).collect();
    Value::Array(vec![id.into(), Value::Array(parts)])
}

/// Names and values in turn, as replies show a map.
pub(super) fn map(fields: Vec<(&'static str, Value)>) -> Value {
    Value::Array(fields.into_iter().flat_map(|(name, value)| [Value::bulk(name), value]).collect())
}

pub(super) fn no_group(key: &[u8], group: &[u8]) -> Error {
    let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
    Error::server(&format!("NOGROUP No such key '{key}' or consumer group '{group}'"))
}

/// `COUNT count` at a position: a negative count is none.
pub(super) fn count_at(args: Args<'_>, at: usize) -> Result<usize> {
    Ok(usize::try_from(args.int(at)?).unwrap_or(0))
}

/// The error of options that a subcommand does not have.
pub(super) fn bad_subcommand(command: &str, args: Args<'_>) -> Error {
    let given = String::from_utf8_lossy(args.at(0).unwrap_or_default()).into_owned();
    Error::server(&format!(
        "ERR unknown subcommand or wrong number of arguments for '{given}'. Try {command} HELP."
    ))
}
