//! CONFIG. The engine has no settings that can be changed; it tells those of Redis that it has in effect.

use super::replies::unknown_subcommand;
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::glob;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("CONFIG", -2, config)];

const SETTINGS: [(&str, &str); 6] = [
    ("appendonly", "no"),
    ("databases", "1"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("proto-max-bulk-len", "536870912"),
    ("save", ""),
];

fn config(_: &mut Engine, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("GET", 2..) => {
            let is_asked = |name: &str| {
                args.from(1)
                    .any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
            };
            let found = SETTINGS.into_iter().filter(|(name, _)| is_asked(name));
            Ok(Value::Array(
                found.flat_map(|(name, value)| [name, value]).map(Value::bulk).collect(),
            ))
        }
        ("SET", 3..) if args.len() % 2 == 1 => {
            for at in (1..args.len()).step_by(2) {
                let name = String::from_utf8_lossy(args.at(at)?).into_owned();
                let known =
                    SETTINGS.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
                let Some((_, value)) = known else {
                    return Err(Error::server(&format!(
                        "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                    )));
                };
                if args.at(at + 1)? != value.as_bytes() {
                    return Err(Error::server(&format!(
                        "ERR CONFIG SET failed (possibly related to argument '{name}') - can't set immutable config"
                    )));
                }
            }
            Ok(Value::OK)
        }
        // It keeps no statistics.
        ("RESETSTAT", 1) => Ok(Value::OK),
        ("GET" | "SET" | "RESETSTAT", _) => Err(wrong_arity(&format!("config|{word}"))),
        _ => Err(unknown_subcommand("CONFIG", args)),
    }
}
