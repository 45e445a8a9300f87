//! XDELEX and XACKDEL of Redis 8.2, which look at the groups of a stream before they delete an entry.

use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{Group, Stream, StreamId};
use crate::{Error, Result, Value};

/// What happens to the references that groups have to an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// They stay.
    KeepReferences,
    /// They are removed.
    DeleteReferences,
    /// An entry that has some stays.
    Acknowledged,
}

/// No entry has this id, or it was not pending.
const ABSENT: Value = Value::Integer(-1);
const DELETED: Value = Value::Integer(1);
/// Groups still refer to it.
const KEPT: Value = Value::Integer(2);

/// `[KEEPREF|DELREF|ACKED] IDS numids id [id …]` from a position to the end.
fn options(args: Args<'_>, mut at: usize) -> Result<(Policy, Vec<&[u8]>)> {
    let (mut policy, mut ids) = (None, None);
    while at < args.len() {
        let chosen = match args.word(at).as_str() {
            "KEEPREF" => Some(Policy::KeepReferences),
            "DELREF" => Some(Policy::DeleteReferences),
            "ACKED" => Some(Policy::Acknowledged),
            "IDS" if args.len() > at + 1 => None,
            _ => return Err(syntax()),
        };
        if chosen.is_some() {
            if policy.is_some() {
                return Err(syntax());
            }
            policy = chosen;
            at += 1;
            continue;
        }
        let count = args.int(at + 1).ok().and_then(|count| usize::try_from(count).ok());
        let count = count
            .filter(|count| *count > 0)
            .ok_or_else(|| Error::server("ERR Number of IDs must be a positive integer"))?;
        at += 2;
        if count > args.len() - at {
            return Err(Error::server(
                "ERR The `numids` parameter must match the number of arguments",
            ));
        }
        ids = Some(args.from(at).take(count).collect());
        at += count;
    }
    let ids = ids.ok_or_else(|| Error::server("ERR IDS option is required"))?;
    Ok((policy.unwrap_or(Policy::KeepReferences), ids))
}

fn parse(ids: Vec<&[u8]>) -> Result<Vec<StreamId>> {
    ids.into_iter().map(|text| StreamId::parse_exact(text, 0)).collect()
}

fn all_absent(ids: &[&[u8]]) -> Value {
    Value::Array(ids.iter().map(|_| ABSENT).collect())
}

/// Deletes an entry as the policy says; `None` if it has to stay, otherwise whether it was there.
fn delete(stream: &mut Stream, id: StreamId, policy: Policy) -> Option<bool> {
    match policy {
        Policy::KeepReferences => {}
        Policy::DeleteReferences => {
            for group in stream.groups.values_mut() {
                group.release(id);
            }
        }
        Policy::Acknowledged => {
            let refers = |group: &Group| id > group.last_id || group.pending.contains_key(&id);
            if stream.groups.values().any(refers) {
                return None;
            }
        }
    }
    Some(stream.delete(id))
}

pub(super) fn xdelex(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let exists = db.read::<Stream>(args.at(0)?)?.is_some();
    let (policy, ids) = options(args, 1)?;
    if !exists {
        return Ok(all_absent(&ids));
    }
    let ids = parse(ids)?;
    let results = db.change::<Stream, _>(args.at(0)?, |stream| {
        let results = ids.into_iter().map(|id| match delete(stream, id, policy) {
            None => KEPT,
            Some(true) => DELETED,
            Some(false) => ABSENT,
        });
        Ok(results.collect())
    })?;
    Ok(Value::Array(results.unwrap_or_default()))
}

pub(super) fn xackdel(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (key, name) = (args.at(0)?, args.at(1)?);
    let exists = db.read::<Stream>(key)?.is_some_and(|stream| stream.groups.contains_key(name));
    let (policy, ids) = options(args, 2)?;
    if !exists {
        return Ok(all_absent(&ids));
    }
    let ids = parse(ids)?;
    let results = db.change::<Stream, _>(key, |stream| {
        let results = ids.into_iter().map(|id| {
            let released = stream.groups.get_mut(name).is_some_and(|group| group.release(id));
            match released.then(|| delete(stream, id, policy)) {
                None => ABSENT,
                Some(None) => KEPT,
                // Also if the entry was gone before.
                Some(Some(_)) => DELETED,
            }
        });
        Ok(results.collect())
    })?;
    Ok(Value::Array(results.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::transport::memory::{commands, engine::Engine};

    fn engine() -> Engine {
        let mut engine = Engine::new(commands::find);
        for id in 1..=4 {
            run(&mut engine, &format!("XADD k {id}-0 f v"));
        }
        run(&mut engine, "XGROUP CREATE k g 0");
        run(&mut engine, "XGROUP CREATE k h 0");
        run(&mut engine, "XREADGROUP GROUP g c COUNT 3 STREAMS k >");
        run(&mut engine, "XREADGROUP GROUP h c COUNT 1 STREAMS k >");
        engine
    }

    fn reply(engine: &mut Engine, line: &str) -> Result<Value> {
        let mut words = line.split(' ').map(str::to_owned);
        engine.run(&Command::new(words.next().unwrap_or_default()).args_from(words), 1)
    }

    fn run(engine: &mut Engine, line: &str) -> Value {
        reply(engine, line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn numbers(numbers: &[i64]) -> Value {
        Value::Array(numbers.iter().copied().map(Value::Integer).collect())
    }

    #[test]
    fn xdelex_keeps_deletes_or_respects_references() {
        let engine = &mut engine();
        assert_eq!(run(engine, "XDELEX k IDS 2 1-0 9-0"), numbers(&[1, -1]));
        assert_eq!(run(engine, "XDELEX k DELREF IDS 1 2-0"), numbers(&[1]));
        let Value::Array(pending) = run(engine, "XPENDING k g - + 9") else { panic!("a list") };
        assert_eq!(pending.len(), 2, "the references to 1-0 and 3-0 are left");
        // 3-0 is pending, and 4-0 was not read yet.
        assert_eq!(run(engine, "XDELEX k ACKED IDS 2 3-0 4-0"), numbers(&[2, 2]));
        run(engine, "XACK k g 3-0");
        assert_eq!(run(engine, "XDELEX k ACKED IDS 1 3-0"), numbers(&[2]), "h did not read it");
        run(engine, "XREADGROUP GROUP h c STREAMS k >");
        run(engine, "XACK k h 3-0");
        assert_eq!(run(engine, "XDELEX k ACKED IDS 1 3-0"), numbers(&[1]));
        assert_eq!(run(engine, "XLEN k"), Value::Integer(1));
        assert_eq!(run(engine, "XDELEX nosuch IDS 2 1-0 2-0"), numbers(&[-1, -1]));
    }

    #[test]
    fn xackdel_acknowledges_and_then_deletes() {
        let engine = &mut engine();
        assert_eq!(run(engine, "XACKDEL k g ACKED IDS 2 1-0 4-0"), numbers(&[2, -1]));
        assert_eq!(run(engine, "XACKDEL k h ACKED IDS 1 1-0"), numbers(&[1]));
        assert_eq!(run(engine, "XACKDEL k g IDS 1 2-0"), numbers(&[1]));
        assert_eq!(run(engine, "XLEN k"), Value::Integer(2));
        assert_eq!(run(engine, "XACKDEL k nosuch IDS 1 3-0"), numbers(&[-1]));
        assert_eq!(run(engine, "XACKDEL k g DELREF IDS 1 3-0"), numbers(&[1]));
        assert_eq!(run(engine, "XLEN k"), Value::Integer(1));
    }

    #[test]
    fn bad_options_change_nothing() {
        let engine = &mut engine();
        for (line, error) in [
            ("XDELEX k IDS 0 1-0", "ERR Number of IDs must be a positive integer"),
            ("XDELEX k IDS 2 1-0", "ERR The `numids` parameter must match the number of arguments"),
            ("XDELEX k KEEPREF DELREF IDS 1 1-0", "ERR syntax error"),
            ("XDELEX k FOO IDS 1 1-0", "ERR syntax error"),
            ("XDELEX k IDS 2 1-0 x", "ERR Invalid stream ID specified as stream command argument"),
            ("XACKDEL k g IDS 1 1-0 FOO", "ERR syntax error"),
        ] {
            let message = reply(engine, line).err().map(|error| error.message().to_owned());
            assert_eq!(message.as_deref(), Some(error), "{line}");
        }
        assert_eq!(run(engine, "XLEN k"), Value::Integer(4));
    }
}
