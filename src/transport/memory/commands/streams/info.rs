//! XINFO.

use super::super::replies::{length, unknown_subcommand};
use super::replies::{bad_subcommand, count_at, entry, map};
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{Consumer, Group, Stream, StreamId};
use crate::{Error, Result, Value};

pub(super) fn xinfo(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    let now = db.now();
    match (word.as_str(), args.len()) {
        ("STREAM", 2) => Ok(stream_info(existing(db, args)?)),
        ("STREAM", 3 | 5) if args.is(2, "FULL") => {
            let most = match args.len() {
                5 if !args.is(3, "COUNT") => return Err(bad_subcommand("XINFO", args)),
                5 => count_at(args, 4)?,
                _ => 10,
            };
            let most = if most == 0 { usize::MAX } else { most };
            Ok(full(existing(db, args)?, most))
        }
        ("STREAM", 3..) => existing(db, args).and(Err(bad_subcommand("XINFO", args))),
        ("GROUPS", 2) => {
            let stream = existing(db, args)?;
            let groups = stream.groups.iter().map(|(name, group)| {
                let mut fields = vec![("name", Value::Bulk(name.clone()))];
                fields.push(("consumers", length(group.consumers.len())));
                fields.push(("pending", length(group.pending.len())));
                fields.extend(progress(stream, group));
                map(fields)
            });
            Ok(Value::Array(groups.collect()))
        }
        ("CONSUMERS", 3) => {
            let (key, name) = (args.at(1)?, args.at(2)?);
            let group = existing(db, args)?.groups.get(name).ok_or_else(|| {
                let (key, name) = (String::from_utf8_lossy(key), String::from_utf8_lossy(name));
                Error::server(&format!(
                    "NOGROUP No such consumer group '{name}' for key name '{key}'"
                ))
            })?;
            let consumers = group.consumers.iter().map(|(name, consumer)| {
                let inactive = consumer.active_at.map_or(-1, |at| now.saturating_sub(at) as i64);
                map(vec![
                    ("name", Value::Bulk(name.clone())),
                    ("pending", length(consumer.pending.len())),
                    ("idle", Value::Integer(now.saturating_sub(consumer.seen_at) as i64)),
                    ("inactive", Value::Integer(inactive)),
                ])
            });
            Ok(Value::Array(consumers.collect()))
        }
        ("STREAM" | "GROUPS" | "CONSUMERS", _) => Err(wrong_arity(&format!("xinfo|{word}"))),
        _ => Err(unknown_subcommand("XINFO", args)),
    }
}

fn existing<'a>(db: &'a Keyspace, args: Args<'_>) -> Result<&'a Stream> {
    db.read::<Stream>(args.at(1)?)?.ok_or_else(|| Error::server("ERR no such key"))
}

/// What both forms of XINFO STREAM begin with. The radix tree is Redis's own: these figures are what it would have there.
fn head(stream: &Stream) -> Vec<(&'static str, Value)> {
    let nodes = stream.len().div_ceil(100);
    let first = stream.first_id().unwrap_or(StreamId::MIN);
    vec![
        ("length", length(stream.len())),
        ("radix-tree-keys", length(nodes)),
        ("radix-tree-nodes", length(nodes + 1)),
        ("last-generated-id", stream.last_id.into()),
        ("max-deleted-entry-id", stream.max_deleted_id.into()),
        ("entries-added", Value::Integer(stream.entries_added as i64)),
        ("recorded-first-entry-id", first.into()),
    ]
}

fn stream_info(stream: &Stream) -> Value {
    let mut fields = head(stream);
    let edge = |found: Option<StreamId>| {
        let found = found.and_then(|id| stream.get(id).map(|fields| entry(id, fields)));
        found.unwrap_or_default()
    };
    fields.push(("groups", length(stream.groups.len())));
    fields.push(("first-entry", edge(stream.first_id())));
    fields.push(("last-entry", edge(stream.newest_id())));
    map(fields)
}

/// How far a group has come.
fn progress(stream: &Stream, group: &Group) -> [(&'static str, Value); 3] {
    let known = |count: Option<i64>| count.map_or(Value::Nil, Value::Integer);
    [
        ("last-delivered-id", group.last_id.into()),
        ("entries-read", known(group.entries_read.map(|read| read as i64))),
        ("lag", known(stream.lag(group))),
    ]
}

fn full(stream: &Stream, most: usize) -> Value {
    let mut fields = head(stream);
    let entries = stream.range(StreamId::MIN..=StreamId::MAX).take(most);
    fields.push(("entries", Value::Array(entries.map(|(id, fields)| entry(id, fields)).collect())));
    let groups = stream.groups.iter().map(|(name, group)| {
        let mut fields = vec![("name", Value::Bulk(name.clone()))];
        fields.extend(progress(stream, group));
        fields.push(("pel-count", length(group.pending.len())));
        let pending = group.pending.iter().take(most).map(|(id, pending)| {
            Value::Array(vec![
                (*id).into(),
                Value::Bulk(pending.consumer.clone()),
                Value::Integer(pending.delivered_at as i64),
                Value::Integer(pending.deliveries as i64),
            ])
        });
        fields.push(("pending", Value::Array(pending.collect())));
        let consumers = group
            .consumers
            .iter()
            .map(|(name, consumer)| full_consumer(group, name, consumer, most));
        fields.push(("consumers", Value::Array(consumers.collect())));
        map(fields)
    });
    let groups = Value::Array(groups.collect());
    fields.push(("groups", groups));
    map(fields)
}

fn full_consumer(group: &Group, name: &bytes::Bytes, consumer: &Consumer, most: usize) -> Value {
    let active = consumer.active_at.map_or(-1, |at| at as i64);
    let pending = consumer.pending.iter().take(most).filter_map(|id| {
        let pending = group.pending.get(id)?;
        Some(Value::Array(vec![
            (*id).into(),
            Value::Integer(pending.delivered_at as i64),
            Value::Integer(pending.deliveries as i64),
        ]))
    });
    map(vec![
        ("name", Value::Bulk(name.clone())),
        ("seen-time", Value::Integer(consumer.seen_at as i64)),
        ("active-time", Value::Integer(active)),
        ("pel-count", length(consumer.pending.len())),
        ("pending", Value::Array(pending.collect())),
    ])
}
