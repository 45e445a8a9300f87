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
    Handler::new("SPUBLISH", 3, |engine, args| {
        let (channel, payload) = (args.bytes(0)?, args.bytes(1)?);
        Ok(length(engine.listeners.publish_to_shard(channel, payload)))
    }),
    Handler::new("PUBSUB", -2, pubsub),
];

fn pubsub(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let listeners = &engine.listeners;
    let word = args.word(0);
    let channels = match word.strip_prefix("SHARD") {
        Some(_) => listeners.shard_channels(),
        None => listeners.channels(),
    };
    match (word.as_str(), args.len()) {
        ("CHANNELS" | "SHARDCHANNELS", 1 | 2) => {
            let pattern = args.at(1).unwrap_or(b"*");
            let names = channels.names().filter(|name| glob::matches(pattern, name));
            Ok(Value::Array(names.map(|name| Value::Bulk(name.clone())).collect()))
        }
        ("NUMSUB" | "SHARDNUMSUB", _) => {
            let pairs = args.from(1).flat_map(|name| {
                [Bytes::copy_from_slice(name).into(), length(channels.count(name))]
            });
            Ok(Value::Array(pairs.collect()))
        }
        ("NUMPAT", 1) => Ok(length(listeners.count_patterns())),
        ("CHANNELS" | "SHARDCHANNELS" | "NUMPAT", _) => Err(wrong_arity(&format!("pubsub|{word}"))),
        (unknown, _) => Err(Error::server(&format!(
            "ERR unknown subcommand '{}'. Try PUBSUB HELP.",
            unknown.escape_default()
        ))),
    }
}
