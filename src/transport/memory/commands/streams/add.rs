//! XADD and XSETID.

use std::sync::Arc;

use bytes::Bytes;

use super::delete::Trim;
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{Fields, Stream, StreamId, invalid};
use crate::{Error, Result, Value};

/// The id that a new entry asks for.
#[derive(Clone, Copy)]
enum Asked {
    /// `*`: the time of now.
    Now,
    /// `time-*`: the next one of this millisecond.
    Millis(u64),
    Exact(StreamId),
}

impl Asked {
    fn parse(text: &[u8]) -> Result<Self> {
        match text.strip_suffix(b"-*") {
            _ if text == b"*" => Ok(Self::Now),
            Some(millis) if !millis.contains(&b'-') => {
                StreamId::parse_exact(millis, 0).map(|id| Self::Millis(id.millis))
            }
            _ => StreamId::parse_exact(text, 0).map(Self::Exact),
        }
    }

    /// The id of the next entry after the last one; `None` if it would not be a greater one.
    fn after(self, last: StreamId, now: u64) -> Option<StreamId> {
        match self {
            Self::Now if now > last.millis => Some(StreamId::new(now, 0)),
            Self::Now => last.next(),
            Self::Millis(millis) if millis == last.millis => {
                last.sequence.checked_add(1).map(|sequence| StreamId::new(millis, sequence))
            }
            Self::Millis(millis) => Some(StreamId::new(millis, 0)).filter(|id| *id > last),
            Self::Exact(id) => Some(id).filter(|id| *id > last),
        }
    }
}

pub(super) fn xadd(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut trim = Trim::default();
    let (mut at, mut creates) = (1, true);
    loop {
        match args.word(at).as_str() {
            "NOMKSTREAM" => {
                creates = false;
                at += 1;
            }
            _ => match trim.option(args, at)? {
                Some(next) => at = next,
                None => break,
            },
        }
    }
    let asked = Asked::parse(args.get(at).ok_or_else(invalid)?)?;
    trim.check()?;
    let count = args.len().saturating_sub(at + 1);
    if count < 2 || !count.is_multiple_of(2) {
        return Err(wrong_arity(args.command().name()));
    }
    if matches!(asked, Asked::Exact(StreamId::MIN)) {
        return Err(Error::server("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let fields: Fields = args.pairs(at + 1)?.collect::<Vec<(Bytes, Bytes)>>().into();
    let now = db.now();
    let last = match db.read::<Stream>(args.at(0)?)? {
        Some(stream) => stream.last_id,
        None if creates => StreamId::MIN,
        None => return Ok(Value::Nil),
    };
    if last == StreamId::MAX {
        return Err(Error::server(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    }
    let id = asked.after(last, now).ok_or_else(|| {
        Error::server(
            "ERR The ID specified in XADD is equal or smaller than the target stream top item",
        )
    })?;
    db.update::<Stream, _>(args.at(0)?, |stream| {
        stream.append(id, Arc::clone(&fields));
        trim.run(stream);
        Ok(id.into())
    })
}

pub(super) fn xsetid(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let id = StreamId::parse_exact(args.at(1)?, 0)?;
    let (mut added, mut max_deleted) = (None, None);
    for at in (2..args.len()).step_by(2) {
        match args.word(at).as_str() {
            "ENTRIESADDED" => {
                let count = args.int(at + 1)?;
                let count = u64::try_from(count);
                added =
                    Some(count.map_err(|_| Error::server("ERR entries_added must be positive"))?);
            }
            "MAXDELETEDID" => {
                let deleted = StreamId::parse_exact(args.at(at + 1)?, 0)?;
                if id < deleted {
                    return Err(Error::server(
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    ));
                }
                max_deleted = Some(deleted);
            }
            _ => return Err(syntax()),
        }
    }
    db.change::<Stream, _>(args.at(0)?, |stream| {
        if id < stream.max_deleted_id {
            return Err(Error::server(
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ));
        }
        if stream.newest_id().is_some_and(|newest| id < newest) {
            return Err(Error::server(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| (stream.len() as u64) > added) {
            return Err(Error::server(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
        stream.last_id = id;
        if let Some(added) = added {
            stream.entries_added = added;
        }
        if let Some(deleted) = max_deleted.filter(|deleted| *deleted > StreamId::MIN) {
            stream.max_deleted_id = deleted;
        }
        Ok(Value::OK)
    })?
    .ok_or_else(|| Error::server("ERR no such key"))
}
