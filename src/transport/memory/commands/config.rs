//! CONFIG: the settings of Redis that the engine has. Those of memory can be changed.

use super::replies::unknown_subcommand;
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::eviction::{Eviction, Limits};
use crate::transport::memory::glob;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("CONFIG", -2, config)];

fn settings(limits: Limits) -> [(&'static str, String); 6] {
    [
        ("appendonly", "no".to_owned()),
        ("databases", "1".to_owned()),
        ("maxmemory", limits.max_bytes.unwrap_or(0).to_string()),
        ("maxmemory-policy", limits.eviction.name().to_owned()),
        ("proto-max-bulk-len", "536870912".to_owned()),
        ("save", String::new()),
    ]
}

/// A number of bytes, as Redis writes it: with a unit of 1000 or of 1024.
fn bytes(text: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<usize>().ok()?.checked_mul(unit)
}

/// Changes one setting. The error is Redis's text for a value that it refuses.
fn set(limits: &mut Limits, name: &str, value: &[u8]) -> std::result::Result<(), String> {
    match name {
        "maxmemory" => {
            let bytes = bytes(value).ok_or("argument must be a memory value")?;
            limits.max_bytes = (bytes > 0).then_some(bytes);
            Ok(())
        }
        "maxmemory-policy" => {
            limits.eviction = Eviction::parse(value).ok_or_else(|| {
                format!("argument(s) must be one of the following: {}", Eviction::names())
            })?;
            Ok(())
        }
        _ => Err("can't set immutable config".to_owned()),
    }
}

fn config(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    let settings = settings(engine.limits());
    match (word.as_str(), args.len()) {
        ("GET", 2..) => {
            let is_asked = |name: &str| {
                args.from(1)
                    .any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
            };
            let found = settings.into_iter().filter(|(name, _)| is_asked(name));
            let shown = found.flat_map(|(name, value)| [name.to_owned(), value]);
            Ok(Value::Array(shown.map(Value::bulk).collect()))
        }
        ("SET", 3..) if args.len() % 2 == 1 => {
            // All are read before the first is changed.
            let mut limits = engine.limits();
            for at in (1..args.len()).step_by(2) {
                let given = String::from_utf8_lossy(args.at(at)?).into_owned();
                let name = given.to_ascii_lowercase();
                let Some((_, old)) = settings.iter().find(|(known, _)| *known == name) else {
                    return Err(Error::server(&format!(
                        "ERR Unknown option or number of arguments for CONFIG SET - '{given}'"
                    )));
                };
                let new = args.at(at + 1)?;
                if new != old.as_bytes() {
                    set(&mut limits, &name, new).map_err(|why| {
                        Error::server(&format!(
                            "ERR CONFIG SET failed (possibly related to argument '{given}') - {why}"
                        ))
                    })?;
                }
            }
            engine.set_limits(limits);
            Ok(Value::OK)
        }
        // It keeps no statistics.
        ("RESETSTAT", 1) => Ok(Value::OK),
        ("GET" | "SET" | "RESETSTAT", _) => Err(wrong_arity(&format!("config|{word}"))),
        _ => Err(unknown_subcommand("CONFIG", args)),
    }
}
