//! DUMP and RESTORE. Compared with Redis 8.

use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::keyspace::Data;
use crate::transport::memory::rdb;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("DUMP", 2, |engine, args| {
        let entry = engine.keyspace.entry(args.at(0)?);
        Ok(entry.map_or(Value::Nil, |entry| Value::bulk(rdb::dump(&entry.data))))
    }),
    Handler::new("RESTORE", -4, restore),
];

#[derive(Default)]
struct Options {
    replaces: bool,
    absolute: bool,
    /// For how many seconds the value counts as unused.
    idle: Option<u64>,
    /// The counter of its uses.
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: Args<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut at = 3;
        while at < args.len() {
            match args.word(at).as_str() {
                "REPLACE" => options.replaces = true,
                "ABSTTL" => options.absolute = true,
                "IDLETIME" if at + 1 < args.len() && options.frequency.is_none() => {
                    at += 1;
                    let idle = u64::try_from(args.int(at)?);
                    options.idle =
                        Some(idle.map_err(|_| {
                            Error::server("ERR Invalid IDLETIME value, must be >= 0")
                        })?);
                }
                "FREQ" if at + 1 < args.len() && options.idle.is_none() => {
                    at += 1;
                    let frequency = u8::try_from(args.int(at)?);
                    options.frequency = Some(frequency.map_err(|_| {
                        Error::server("ERR Invalid FREQ value, must be >= 0 and <= 255")
                    })?);
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        Ok(options)
    }
}

fn restore(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let options = Options::parse(args)?;
    let counts_uses = engine.limits().eviction.counts_uses();
    let (db, key) = (&mut engine.keyspace, args.bytes(0)?);
    if !options.replaces && db.contains(&key) {
        return Err(Error::server("BUSYKEY Target key name already exists."));
    }
    let ttl = u64::try_from(args.int(1)?)
        .map_err(|_| Error::server("ERR Invalid TTL value, must be >= 0"))?;
    let mut data = rdb::restore(args.at(2)?)?;
    let now = db.now();
    let expires_at = match ttl {
        0 => None,
        _ if options.absolute => Some(ttl),
        _ => Some(ttl.saturating_add(now)),
    };
    let mut is_over = expires_at.is_some_and(|at| at <= now);
    if let Data::Hash(hash) = &mut data {
        hash.remove_expired(now, usize::MAX);
        is_over |= hash.len() == 0;
    }
    if is_over {
        db.remove(&key);
        return Ok(Value::OK);
    }
    db.put(key.clone(), data, expires_at);
    if let Some(entry) = db.entry(&key) {
        match (options.idle, options.frequency) {
            (Some(idle), _) if !counts_uses => entry.usage.set_idle(now, idle),
            (_, Some(frequency)) if counts_uses => entry.usage.set_frequency(frequency),
            _ => {}
        }
    }
    Ok(Value::OK)
}
