//! XCLAIM and XAUTOCLAIM.

use bytes::Bytes;

use super::replies::{entry, no_group};
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{Pending, Stream, StreamId};
use crate::{Error, Result, Value};

/// What XCLAIM changes of the entries that it hands over.
struct Options {
    force: bool,
    just_id: bool,
    delivered_at: u64,
    deliveries: Option<u64>,
    last_id: StreamId,
}

fn has_group(db: &Keyspace, args: Args<'_>) -> Result<()> {
    let (key, name) = (args.at(0)?, args.at(1)?);
    match db.read::<Stream>(key)?.is_some_and(|stream| stream.groups.contains_key(name)) {
        true => Ok(()),
        false => Err(no_group(key, name)),
    }
}

/// The least idle time, in milliseconds; a negative one is none.
fn least_idle(args: Args<'_>) -> Result<u64> {
    let name = args.command().name();
    let idle = args
        .int(3)
        .map_err(|_| Error::server(&format!("ERR Invalid min-idle-time argument for {name}")))?;
    Ok(u64::try_from(idle).unwrap_or(0))
}

pub(super) fn xclaim(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    has_group(db, args)?;
    let (least_idle, now) = (least_idle(args)?, db.now());
    let mut ids = Vec::new();
    let mut at = 4;
    while let Some(text) = args.get(at) {
        let Ok(id) = StreamId::parse_exact(text, 0) else { break };
        ids.push(id);
        at += 1;
    }
    let mut options = Options {
        force: false,
        just_id: false,
        delivered_at: now,
        deliveries: None,
        last_id: StreamId::MIN,
    };
    while at < args.len() {
        let has_more = args.len() > at + 1;
        match args.word(at).as_str() {
            "FORCE" => options.force = true,
            "JUSTID" => options.just_id = true,
            "IDLE" if has_more => {
                at += 1;
                let idle = args
                    .int(at)
                    .map_err(|_| Error::server("ERR Invalid IDLE option argument for XCLAIM"))?;
                options.delivered_at =
                    u64::try_from(i128::from(now) - i128::from(idle)).unwrap_or(now);
            }
            "TIME" if has_more => {
                at += 1;
                let time = args
                    .int(at)
                    .map_err(|_| Error::server("ERR Invalid TIME option argument for XCLAIM"))?;
                options.delivered_at = u64::try_from(time).unwrap_or(now);
            }
            "RETRYCOUNT" if has_more => {
                at += 1;
                let count = args.int(at).map_err(|_| {
                    Error::server("ERR Invalid RETRYCOUNT option argument for XCLAIM")
                })?;
                options.deliveries = u64::try_from(count).ok();
            }
            "LASTID" if has_more => {
                at += 1;
                options.last_id = StreamId::parse_exact(args.at(at)?, 0)?;
            }
            _ => {
                let given = String::from_utf8_lossy(args.at(at)?).into_owned();
                return Err(Error::server(&format!("ERR Unrecognized XCLAIM option '{given}'")));
            }
        }
        at += 1;
    }
    // A time that has not come yet would make the entries wait for it.
    options.delivered_at = options.delivered_at.min(now);
    let (name, consumer) = (args.at(1)?, args.bytes(2)?);
    let claimed = db.change::<Stream, _>(args.at(0)?, |stream| {
        let Some((key, mut group)) = stream.groups.remove_entry(name) else {
            return Ok(Vec::new());
        };
        group.last_id = group.last_id.max(options.last_id);
        group.seen(&consumer, now);
        let mut claimed = Vec::new();
        for id in ids {
            let Some(fields) = stream.get(id) else {
                // It was deleted meanwhile.
                group.release(id);
                continue;
            };
            let deliveries = match group.pending.get(&id) {
                Some(old) if now.saturating_sub(old.delivered_at) < least_idle => continue,
                None if !options.force => continue,
                old => old.map_or(1, |old| old.deliveries),
            };
            let deliveries = options.deliveries.unwrap_or(deliveries + u64::from(!options.just_id));
            group.give(
                id,
                Pending {
                    consumer: consumer.clone(),
                    delivered_at: options.delivered_at,
                    deliveries,
                },
            );
            claimed.push(if options.just_id { id.into() } else { entry(id, fields) });
            group.seen(&consumer, now).active_at = Some(now);
        }
        stream.groups.insert(key, group);
        Ok(claimed)
    })?;
    Ok(Value::Array(claimed.unwrap_or_default()))
}

pub(super) fn xautoclaim(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let least_idle = least_idle(args)?;
    let start = StreamId::parse_start(args.at(4)?)?;
    let (mut count, mut just_id) = (100, false);
    let mut at = 5;
    while at < args.len() {
        match args.word(at).as_str() {
            "COUNT" if args.len() > at + 1 => {
                at += 1;
                // Redis looks at ten times as many entries, so it bounds the count.
                count = usize::try_from(args.int(at)?)
                    .ok()
                    .filter(|count| *count > 0 && *count < (i64::MAX / 128) as usize)
                    .ok_or_else(|| Error::server("ERR COUNT must be > 0"))?;
            }
            "JUSTID" => just_id = true,
            _ => return Err(syntax()),
        }
        at += 1;
    }
    has_group(db, args)?;
    let (name, consumer, now) = (args.at(1)?, args.bytes(2)?, db.now());
    let done = db.change::<Stream, _>(args.at(0)?, |stream| {
        Ok(autoclaim(stream, name, &consumer, start, least_idle, count, just_id, now))
    })?;
    Ok(done.unwrap_or_default())
}

#[expect(clippy::too_many_arguments, reason = "these are the arguments of the command")]
fn autoclaim(
    stream: &mut Stream,
    name: &[u8],
    consumer: &Bytes,
    start: StreamId,
    least_idle: u64,
    mut count: usize,
    just_id: bool,
    now: u64,
) -> Value {
    /// How many entries are looked at for each one that is to be claimed.
    const ATTEMPTS: usize = 10;
    let Some((key, mut group)) = stream.groups.remove_entry(name) else { return Value::Nil };
    group.seen(consumer, now);
    let mut attempts = count.saturating_mul(ATTEMPTS);
    let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
    let mut next = group.pending.range(start..).next().map(|(id, _)| *id);
    while let Some(id) = next {
        if attempts == 0 || count == 0 {
            break;
        }
        attempts -= 1;
        let pending = group.pending.get(&id).cloned();
        next = id.next().and_then(|after| group.pending.range(after..).next().map(|(id, _)| *id));
        let Some(old) = pending else { continue };
        let Some(fields) = stream.get(id) else {
            group.release(id);
            deleted.push(id.into());
            count -= 1;
            continue;
        };
        if now.saturating_sub(old.delivered_at) < least_idle {
            continue;
        }
        let deliveries = old.deliveries + u64::from(!just_id);
        group.give(id, Pending { consumer: consumer.clone(), delivered_at: now, deliveries });
        claimed.push(if just_id { id.into() } else { entry(id, fields) });
        group.seen(consumer, now).active_at = Some(now);
        count -= 1;
    }
    stream.groups.insert(key, group);
    let next = next.unwrap_or(StreamId::MIN);
    Value::Array(vec![next.into(), Value::Array(claimed), Value::Array(deleted)])
}
