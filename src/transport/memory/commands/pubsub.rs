use bytes::Bytes;

use super::replies::length;
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::glob;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("PUBLISH", 3, |engine, args| {
        let (channel, payload) = (args.bytes(0)?, args.bytes(1)?);
        Ok(length(engine.listeners.publish(&channel, &payload)))
    }),
    Handler::new("PUBSUB", -2, pubsub),
];

fn pubsub(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let listeners = &engine.listeners;
    match (args.word(0).as_str(), args.len()) {
        ("CHANNELS", 1 | 2) => {
            let pattern = args.at(1).unwrap_or(b"*");
            let names = listeners.channels().filter(|name| glob::matches(pattern, name));
            Ok(Value::Array(names.map(|name| Value::Bulk(name.clone())).collect()))
        }
        ("NUMSUB", _) => {
            let pairs = args.from(1).flat_map(|name| {
                [Bytes::copy_from_slice(name).into(), length(listeners.count(name))]
            });
            Ok(Value::Array(pairs.collect()))
        }
        ("NUMPAT", 1) => Ok(length(listeners.count_patterns())),
        ("CHANNELS" | "NUMPAT", _) => Err(wrong_arity(&format!("pubsub|{}", args.word(0)))),
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try PUBSUB HELP.",
            unknown.escape_default()
        ))),
    }
}
