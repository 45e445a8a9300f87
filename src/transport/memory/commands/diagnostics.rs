//! SLOWLOG and LATENCY. The engine measures no times, so there is nothing to report. Compared with Redis 8.

use super::replies::{help, length, unknown_subcommand};
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::engine::Handler;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("LATENCY", -2, |_, args| latency(args)),
    Handler::new("SLOWLOG", -2, |_, args| slow_log(args)),
];

const SLOWLOG_HELP: &str = "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
GET [<count>]
    Return top <count> entries from the slowlog (default: 10, -1 mean all).
    Entries are made of:
    id, timestamp, time in microseconds, arguments array, client IP and port,
    client name
LEN
    Return the length of the slowlog.
RESET
    Reset the slowlog.
HELP
    Print this help.";

fn slow_log(args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("GET", 1) => Ok(Value::Array(Vec::new())),
        ("GET", 2) => match args.int(1) {
            Ok(-1..) => Ok(Value::Array(Vec::new())),
            _ => Err(Error::server("ERR count should be greater than or equal to -1")),
        },
        ("GET", _) => {
            let given = String::from_utf8_lossy(args.at(0)?).into_owned();
            Err(Error::server(&format!(
                "ERR unknown subcommand or wrong number of arguments for '{given}'. Try SLOWLOG HELP."
            )))
        }
        ("LEN", 1) => Ok(length(0)),
        ("RESET", 1) => Ok(Value::OK),
        ("HELP", 1) => Ok(help(SLOWLOG_HELP)),
        ("LEN" | "RESET" | "HELP", _) => Err(wrong_arity(&format!("slowlog|{word}"))),
        _ => Err(unknown_subcommand("SLOWLOG", args)),
    }
}

fn latency(args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("LATEST", 1) | ("HISTORY", 2) | ("HISTOGRAM", _) => Ok(Value::Array(Vec::new())),
        ("RESET", _) => Ok(length(0)),
        ("GRAPH", 2) => {
            let event = String::from_utf8_lossy(args.at(1)?).into_owned();
            Err(Error::server(&format!("ERR No samples available for event '{event}'")))
        }
        ("DOCTOR", 1) => Ok(Value::bulk("The embedded engine does not monitor latency.\n")),
        ("LATEST" | "HISTORY" | "GRAPH" | "DOCTOR", _) => {
            Err(wrong_arity(&format!("latency|{word}")))
        }
        _ => Err(unknown_subcommand("LATENCY", args)),
    }
}
