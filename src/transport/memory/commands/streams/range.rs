//! XRANGE and XREVRANGE.

use super::replies::{count_at, entry};
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{Stream, StreamId};
use crate::{Result, Value};

pub(super) fn xrange(db: &mut Keyspace, args: Args<'_>, reverse: bool) -> Result<Value> {
    let (start, end) = if reverse { (2, 1) } else { (1, 2) };
    let start = StreamId::parse_start(args.at(start)?)?;
    let end = StreamId::parse_end(args.at(end)?)?;
    let mut count = None;
    for at in (3..args.len()).step_by(2) {
        if !args.is(at, "COUNT") || args.len() == at + 1 {
            return Err(syntax());
        }
        count = Some(count_at(args, at + 1)?);
    }
    let Some(stream) = db.read::<Stream>(args.at(0)?)? else {
        return Ok(Value::Array(Vec::new()));
    };
    let most = match count {
        Some(0) => return Ok(Value::Nil),
        Some(count) => count,
        None => usize::MAX,
    };
    let entries = stream.range(start..=end);
    let show = |(id, fields)| entry(id, fields);
    Ok(Value::Array(if reverse {
        entries.rev().take(most).map(show).collect()
    } else {
        entries.take(most).map(show).collect()
    }))
}
