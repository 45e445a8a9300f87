//! XDELEX and XACKDEL of Redis 8.2, which look at the groups of a stream before they delete an entry.

use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::stream::{References, Stream, StreamId};
use crate::{Error, Result, Value};

/// No entry has this id, or it was not pending.
const ABSENT: Value = Value::Integer(-1);
const DELETED: Value = Value::Integer(1);
/// Groups still refer to it.
const KEPT: Value = Value::Integer(2);

/// `[KEEPREF|DELREF|ACKED] IDS numids id [id …]` from a position to the end.
fn options(args: Args<'_>, mut at: usize) -> Result<(References, Vec<&[u8]>)> {
    let (mut policy, mut ids) = (None, None);
    while at < args.len() {
        let word = args.word(at);
        let chosen = References::parse(&word);
        if chosen.is_none() && (word != "IDS" || args.len() <= at + 1) {
            return Err(syntax());
        }
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
    Ok((policy.unwrap_or_default(), ids))
}

fn parse(ids: Vec<&[u8]>) -> Result<Vec<StreamId>> {
    ids.into_iter().map(|text| StreamId::parse_exact(text, 0)).collect()
}

fn all_absent(ids: &[&[u8]]) -> Value {
    Value::Array(ids.iter().map(|_| ABSENT).collect())
}

/// Deletes an entry as the policy says; `None` if it has to stay, otherwise whether it was there.
fn delete(stream: &mut Stream, id: StreamId, policy: References) -> Option<bool> {
    stream.release(id, policy).then(|| stream.delete(id))
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
        const LIMIT_WITHOUT_TILDE: &str =
            "ERR syntax error, LIMIT cannot be used without the special ~ option";
        let engine = &mut engine();
        for (line, error) in [
            ("XDELEX k IDS 0 1-0", "ERR Number of IDs must be a positive integer"),
            ("XDELEX k IDS 2 1-0", "ERR The `numids` parameter must match the number of arguments"),
            ("XDELEX k KEEPREF DELREF IDS 1 1-0", "ERR syntax error"),
            ("XDELEX k FOO IDS 1 1-0", "ERR syntax error"),
            ("XDELEX k IDS 2 1-0 x", "ERR Invalid stream ID specified as stream command argument"),
            ("XACKDEL k g IDS 1 1-0 FOO", "ERR syntax error"),
            ("XTRIM k MAXLEN 2 LIMIT 0", LIMIT_WITHOUT_TILDE),
            ("XADD k LIMIT 0 9-0 f v", LIMIT_WITHOUT_TILDE),
        ] {
            let message = reply(engine, line).err().map(|error| error.message().to_owned());
            assert_eq!(message.as_deref(), Some(error), "{line}");
        }
        assert_eq!(run(engine, "XLEN k"), Value::Integer(4));
    }

    /// As in Redis 8.2.3.
    #[test]
    fn trimming_keeps_deletes_or_respects_references() {
        for (line, reply, left, pending) in [
            ("XTRIM k MAXLEN 2 KEEPREF", 6, "7 8", "1 3 6 8"),
            ("XTRIM k MAXLEN 2 DELREF", 6, "7 8", "8"),
            ("XTRIM k MAXLEN 7 ACKED", 1, "1 3 4 5 6 7 8", "1 3 6 8"),
            ("XTRIM k MAXLEN 5 ACKED", 3, "1 3 6 7 8", "1 3 6 8"),
            ("XTRIM k ACKED MAXLEN 0", 4, "1 3 6 8", "1 3 6 8"),
            ("XTRIM k MINID 5 ACKED", 2, "1 3 5 6 7 8", "1 3 6 8"),
            ("XTRIM k MINID 5 DELREF", 4, "5 6 7 8", "6 8"),
            ("XTRIM k MAXLEN ~ 2 ACKED", 0, "1 2 3 4 5 6 7 8", "1 3 6 8"),
            ("XTRIM k MAXLEN ~ 2 DELREF", 0, "1 2 3 4 5 6 7 8", "1 3 6 8"),
            ("XADD k ACKED MAXLEN 6 9-0 f v", 9, "1 3 6 7 8 9", "1 3 6 8"),
            ("XADD k MAXLEN 2 DELREF 9-0 f v", 9, "8 9", "8"),
            ("XADD k DELREF 9-0 f v", 9, "1 2 3 4 5 6 7 8 9", "1 3 6 8"),
        ] {
            let engine = &mut Engine::new(commands::find);
            for id in 1..=8 {
                run(engine, &format!("XADD k {id}-0 f v"));
            }
            run(engine, "XGROUP CREATE k g 0");
            run(engine, "XREADGROUP GROUP g c STREAMS k >");
            run(engine, "XACK k g 2-0 4-0 5-0 7-0");
            match run(engine, line) {
                Value::Integer(count) => assert_eq!(count, reply, "{line}"),
                id => assert_eq!(id, Value::bulk(format!("{reply}-0")), "{line}"),
            }
            let ids = |value: Value| {
                let Value::Array(items) = value else { panic!("{line}: {value:?}") };
                let id = |item: &Value| match item {
                    Value::Array(parts) => {
                        parts.first().and_then(Value::as_bytes).map(<[u8]>::to_vec)
                    }
                    _ => None,
                };
                let ids = items
                    .iter()
                    .filter_map(id)
                    .map(|id| String::from_utf8_lossy(&id).replace("-0", ""));
                ids.collect::<Vec<_>>().join(" ")
            };
            assert_eq!(ids(run(engine, "XRANGE k - +")), left, "{line}");
            assert_eq!(ids(run(engine, "XPENDING k g - + 99")), pending, "{line}");
        }
        let engine = &mut engine();
        for line in ["XTRIM k MAXLEN 2 ACKED DELREF", "XTRIM k MAXLEN 2 ACKED ACKED"] {
            let message = reply(engine, line).err().map(|error| error.message().to_owned());
            assert_eq!(message.as_deref(), Some("ERR syntax error"), "{line}");
        }
        let error = reply(engine, "XADD k ACKED DELREF 9-0 f v").expect_err("the second is no id");
        assert!(error.message().starts_with("ERR Invalid stream ID"), "{error}");
    }
}
