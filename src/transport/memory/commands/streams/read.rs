//! XREAD and XREADGROUP.

use bytes::Bytes;

use super::replies::{count_at, entry};
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{Pending, Stream, StreamId};
use crate::{Error, Result, Value};

/// What was asked for, but for the ids.
struct Asked<'a> {
    most: usize,
    no_ack: bool,
    group: Option<(&'a [u8], Bytes)>,
    keys: Vec<&'a [u8]>,
    ids: Vec<&'a [u8]>,
}

impl<'a> Asked<'a> {
    fn parse(args: Args<'a>, grouped: bool) -> Result<Self> {
        let name = args.command().name().to_ascii_lowercase();
        let mut asked = Self {
            most: usize::MAX,
            no_ack: false,
            group: None,
            keys: Vec::new(),
            ids: Vec::new(),
        };
        let mut at = 0;
        while at < args.len() {
            let has_more = args.len() > at + 1;
            match args.word(at).as_str() {
                "BLOCK" if has_more => {
                    let timeout = args.int(at + 1).map_err(|_| {
                        Error::server("ERR timeout is not an integer or out of range")
                    })?;
                    if timeout < 0 {
                        return Err(Error::server("ERR timeout is negative"));
                    }
                    at += 2;
                }
                "COUNT" if has_more => {
                    asked.most = match count_at(args, at + 1)? {
                        0 => usize::MAX,
                        count => count,
                    };
                    at += 2;
                }
                "STREAMS" if has_more => {
                    let streams: Vec<&[u8]> = args.from(at + 1).collect();
                    if !streams.len().is_multiple_of(2) {
                        let special = if grouped { " or '>'" } else { ", '+', or '$'" };
                        return Err(Error::server(&format!(
                            "ERR Unbalanced '{name}' list of streams: for each stream key an ID{special} must be specified.",
                        )));
                    }
                    let (keys, ids) = streams.split_at(streams.len() / 2);
                    (asked.keys, asked.ids) = (keys.to_vec(), ids.to_vec());
                    at = args.len();
                }
                "GROUP" if args.len() > at + 2 => {
                    if !grouped {
                        return Err(Error::server(
                            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                        ));
                    }
                    asked.group = Some((args.at(at + 1)?, args.bytes(at + 2)?));
                    at += 3;
                }
                "NOACK" => {
                    if !grouped {
                        return Err(Error::server(
                            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                        ));
                    }
                    asked.no_ack = true;
                    at += 1;
                }
                _ => return Err(syntax()),
            }
        }
        if asked.keys.is_empty() {
            return Err(syntax());
        }
        if grouped && asked.group.is_none() {
            return Err(Error::server("ERR Missing GROUP option for XREADGROUP"));
        }
        Ok(asked)
    }
}

/// Streams that have something, as the reply shows them.
fn reply(streams: Vec<Value>) -> Value {
    if streams.is_empty() { Value::Nil } else { Value::Array(streams) }
}

fn of_stream(key: &[u8], entries: Vec<Value>) -> Value {
    Value::Array(vec![Value::bulk(Bytes::copy_from_slice(key)), Value::Array(entries)])
}

pub(super) fn xread(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let asked = Asked::parse(args, false)?;
    let mut streams = Vec::new();
    for (key, id) in asked.keys.iter().zip(&asked.ids) {
        let stream = db.read::<Stream>(key)?;
        let after = match *id {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.last_id),
            // The newest entry, if there is one.
            b"+" => match stream.and_then(Stream::newest_id) {
                Some(newest) => newest.previous().unwrap_or(StreamId::MIN),
                None => StreamId::MAX,
            },
            b">" => {
                return Err(Error::server(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                ));
            }
            id => StreamId::parse_exact(id, 0)?,
        };
        streams.push((key, after, *id == b"+"));
    }
    let mut found = Vec::new();
    for (key, after, newest) in streams {
        let Some(stream) = db.read::<Stream>(key)? else { continue };
        let Some(start) = after.next() else { continue };
        let most = if newest { 1 } else { asked.most };
        let entries: Vec<Value> = stream
            .range(start..=StreamId::MAX)
            .take(most)
            .map(|(id, fields)| entry(id, fields))
            .collect();
        if !entries.is_empty() {
            found.push(of_stream(key, entries));
        }
    }
    Ok(reply(found))
}

pub(super) fn xreadgroup(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    read_group(db, args, true)
}

/// XREADGROUP where NOACK makes no consumer.
pub(in crate::transport::memory::commands) fn xreadgroup_by_strangers(
    db: &mut Keyspace,
    args: Args<'_>,
) -> Result<Value> {
    read_group(db, args, false)
}

/// The reader becomes a consumer of the group; with NOACK only if `no_ack_makes_consumer`.
fn read_group(db: &mut Keyspace, args: Args<'_>, no_ack_makes_consumer: bool) -> Result<Value> {
    let asked = Asked::parse(args, true)?;
    let (group, consumer) = asked.group.clone().ok_or_else(syntax)?;
    // Everything is checked before anything is given to the consumer. `None` stands for `>`.
    let mut streams: Vec<(&[u8], Option<StreamId>)> = Vec::new();
    for (key, id) in asked.keys.iter().zip(&asked.ids) {
        let stream = db.read::<Stream>(key)?;
        if stream.is_none_or(|stream| !stream.groups.contains_key(group)) {
            let (key, group) = (String::from_utf8_lossy(key), String::from_utf8_lossy(group));
            return Err(Error::server(&format!(
                "NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option"
            )));
        }
        let after = match *id {
            b">" => None,
            b"$" => {
                return Err(Error::server(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return \
                     an empty result set.",
                ));
            }
            b"+" => {
                return Err(Error::server(
                    "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return \
                     an empty result set.",
                ));
            }
            id => Some(StreamId::parse_exact(id, 0)?),
        };
        streams.push((key, after));
    }
    let now = db.now();
    let mut found = Vec::new();
    for (key, after) in streams {
        let entries = db.change::<Stream, _>(key, |stream| {
            let readers = stream.groups.get(group);
            let is_stranger = asked.no_ack
                && !no_ack_makes_consumer
                && readers.is_some_and(|readers| !readers.consumers.contains_key(&consumer));
            let entries = match after {
                None => new_entries(stream, group, &consumer, &asked, now),
                Some(after) => own_entries(stream, group, &consumer, after, asked.most, now),
            };
            if is_stranger && let Some(readers) = stream.groups.get_mut(group) {
                readers.remove_consumer(&consumer);
            }
            Ok(entries)
        })?;
        if let Some(entries) = entries.flatten() {
            found.push(of_stream(key, entries));
        }
    }
    Ok(reply(found))
}

/// Gives a consumer entries that no consumer of its group was given before.
fn new_entries(
    stream: &mut Stream,
    name: &[u8],
    consumer: &Bytes,
    asked: &Asked<'_>,
    now: u64,
) -> Option<Vec<Value>> {
    let (key, mut group) = stream.groups.remove_entry(name)?;
    group.seen(consumer, now);
    let mut entries = Vec::new();
    if let Some(start) = group.last_id.next() {
        for (id, fields) in stream.range(start..=StreamId::MAX).take(asked.most) {
            stream.note_read(&mut group, id);
            if !asked.no_ack {
                group.give(
                    id,
                    Pending { consumer: consumer.clone(), delivered_at: now, deliveries: 1 },
                );
            }
            entries.push(entry(id, fields));
        }
    }
    if !entries.is_empty() {
        group.seen(consumer, now).active_at = Some(now);
    }
    stream.groups.insert(key, group);
    (!entries.is_empty()).then_some(entries)
}

/// What a consumer has not acknowledged yet. No id comes after the greatest one, and then there is no reply for the stream.
fn own_entries(
    stream: &mut Stream,
    name: &[u8],
    consumer: &Bytes,
    after: StreamId,
    most: usize,
    now: u64,
) -> Option<Vec<Value>> {
    let (key, mut group) = stream.groups.remove_entry(name)?;
    let pending = &group.seen(consumer, now).pending;
    let own: Option<Vec<StreamId>> =
        after.next().map(|start| pending.range(start..).take(most).copied().collect());
    let entries = own.map(|own| {
        let mut entries = Vec::with_capacity(own.len());
        for id in own {
            match stream.get(id) {
                Some(fields) => {
                    if let Some(pending) = group.pending.get_mut(&id) {
                        pending.delivered_at = now;
                        pending.deliveries = pending.deliveries.saturating_add(1);
                    }
                    entries.push(entry(id, fields));
                }
                // It was deleted meanwhile.
                None => entries.push(Value::Array(vec![id.into(), Value::Nil])),
            }
        }
        entries
    });
    stream.groups.insert(key, group);
    entries
}
