use bytes::Bytes;

use super::super::position::Position;
use super::server::{new_epoch, newest, position_of, stored};
use crate::command::{Command, ScriptContext};
use crate::{Result, Value};

/// The implementation of `publish.lua`.
pub(super) fn run(
    redis: &mut dyn ScriptContext,
    [history, head, seen]: &[Bytes; 3],
    [event, kept, history_ttl, head_ttl, id_ttl, known, digits, id]: &[Bytes; 8],
) -> Result<Value> {
    if let Some(position) = stored(redis, seen)? {
        return Ok(Value::Array(vec![Value::bulk(position), Value::Integer(1)]));
    }
    let mut position = Bytes::new();
    let mut frame = [b"{\"edgecask\":1,", &event[..]].concat();
    if kept != "0" {
        let newest = newest(redis, history)?;
        let stored = stored(redis, head)?.unwrap_or_default();
        let mut last = position_of(&stored);
        let before = stored.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default();
        let mut before = before.to_vec();
        if let Some(entry) = newest
            && let Some(newest) = position_of(&entry.position)
        {
            let is_later =
                |last: Position| newest.epoch == last.epoch && newest.offset > last.offset;
            if last.is_none_or(is_later) {
                (last, before) = (Some(newest), entry.id);
            }
        }
        let known = position_of(known);
        let is_old = |last: Position| {
            known.is_some_and(|known| known.epoch == last.epoch && last.offset < known.offset)
        };
        let last = match last {
            Some(last) if !is_old(last) => last,
            _ => {
                redis.call(Command::new("DEL").arg(history))?;
                before.clear();
                Position { epoch: new_epoch(redis, digits)?, offset: 0 }
            }
        };
        let next = Position { offset: last.offset.saturating_add(1), ..last };
        let text = next.to_string();
        let add = Command::new("XADD").arg(history).arg("MAXLEN").arg(kept).arg(&text);
        redis.call(add.arg("event").arg(event).arg("after").arg(&before))?;
        redis.call(Command::new("PEXPIRE").arg(history).arg(history_ttl))?;
        let stored = [text.as_bytes(), b" ", id].concat();
        redis.call(Command::new("SET").arg(head).arg(stored).arg("PX").arg(head_ttl))?;
        let Position { epoch, offset } = next;
        let begin = format!("{{\"edgecask\":1,\"epoch\":\"{epoch}\",\"offset\":{offset},");
        frame = [begin.as_bytes(), &after(&before), event].concat();
        position = text.into();
    }
    redis.call(Command::new("SET").arg(seen).arg(&position).arg("PX").arg(id_ttl))?;
    let mut told = 0;
    if redis.call(Command::new("PUBLISH").arg(history).arg(frame)).is_err() {
        if position.is_empty() {
            redis.call(Command::new("DEL").arg(seen))?;
        }
        told = 2;
    }
    Ok(Value::Array(vec![Value::bulk(position), Value::Integer(told)]))
}

/// The member `after` of a frame. An id has no control characters.
fn after(before: &[u8]) -> Vec<u8> {
    if before.is_empty() {
        return Vec::new();
    }
    let mut text = b"\"after\":\"".to_vec();
    for byte in before {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(*byte);
    }
    text.extend_from_slice(b"\",");
    text
}
