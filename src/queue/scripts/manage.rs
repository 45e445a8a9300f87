//! The native implementation of `manage.lua`.

use bytes::Bytes;

use super::moves::Ended;
use super::native::{ARGS, Server};
use super::pull::words;
use super::record::{State, number};
use crate::command::{Command, ScriptContext, script_file::wrong_count};
use crate::{Result, Value};

pub(super) fn run(redis: &mut dyn ScriptContext, keys: &[Bytes], args: &[Bytes]) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let Some(([name, how], args)) = args[ARGS..].split_first_chunk() else {
        return Err(wrong_count());
    };
    // The last calls and their answers, so that a request which arrives again has no effect.
    let recent = server.field(b"#recent")?.unwrap_or_default();
    let is_same = |call: &&[u8]| call.strip_prefix(&**name).is_some_and(|at| at.starts_with(b"="));
    if let Some(call) = words(&recent).find(is_same) {
        return Ok(Value::Integer(number(&call[name.len() + 1..])? as i64));
    }
    let mut changed = 0;
    match (&**how, args) {
        (b"pause", _) => {
            server.remove_field(b"#paused")?;
            changed = server.set_field(b"#paused", 1)?;
        }
        (b"resume", _) => {
            changed = server.remove_field(b"#paused")?;
            server.wakes = true;
        }
        (b"limit", [group, limit]) => {
            let field = [b"#limit:", &**group].concat();
            match limit.is_empty() {
                true => server.remove_field(&field)?,
                false => server.set_field(&field, limit)?,
            };
            server.fill(group, 256)?;
            changed = 1;
        }
        (how, ids) => {
            for id in ids {
                let Some(record) = server.read(id)? else { continue };
                if how == b"remove" && record.state != State::Active {
                    server.leave(id, &record)?;
                    server.forget(id)?;
                    server.child_ended(&record, Ended::Gone)?;
                    changed += 1;
                } else if how == b"requeue" && record.state == State::Dead {
                    requeue(&mut server, id, record)?;
                    changed += 1;
                }
            }
        }
    }
    if server.run::<i64>(Command::new("EXISTS").arg(server.tasks))? == 1 {
        server.remove_field(b"#recent")?;
        let this = [&**name, b"=", changed.to_string().as_bytes()].concat();
        let calls: Vec<&[u8]> = std::iter::once(&*this).chain(words(&recent)).take(16).collect();
        server.set_field(b"#recent", calls.join(&b' '))?;
    }
    server.finish(Value::Integer(changed))
}

fn requeue(server: &mut Server<'_>, id: &[u8], mut record: super::record::Record) -> Result<()> {
    server.leave(id, &record)?;
    record.failures = 0;
    record.abandoned = 0;
    record.reason = Bytes::from_static(b"-");
    record.token = Bytes::from_static(b"-");
    match record.children {
        0 => server.start(id, &mut record, server.now),
        _ => server.await_children(id, &mut record),
    }
}
