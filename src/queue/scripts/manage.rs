//! The native implementation of `manage.lua`.

use bytes::Bytes;

use super::native::{ARGS, Ended, Server};
use super::record::State;
use crate::command::{ScriptContext, script_file::wrong_count};
use crate::{Result, Value};

pub(super) fn run(redis: &mut dyn ScriptContext, keys: &[Bytes], args: &[Bytes]) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let (how, args) = args[ARGS..].split_first().ok_or_else(wrong_count)?;
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
            server.set_field(&[b"#limit:", &**group].concat(), limit)?;
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
