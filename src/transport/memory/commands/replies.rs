//! Replies that several families share.

use crate::transport::memory::args::Args;
use crate::{Error, Value};

pub(super) fn length(length: usize) -> Value {
    Value::Integer(i64::try_from(length).unwrap_or(i64::MAX))
}

/// The lines of a HELP subcommand.
pub(super) fn help(lines: &'static str) -> Value {
    Value::Array(lines.lines().map(|line| Value::Simple(line.into())).collect())
}

pub(super) fn unknown_subcommand(command: &str, args: Args<'_>) -> Error {
    let given = String::from_utf8_lossy(args.at(0).unwrap_or_default()).into_owned();
    Error::server(&format!("ERR unknown subcommand '{given}'. Try {command} HELP."))
}
