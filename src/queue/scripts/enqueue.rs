//! The native implementation of `enqueue.lua`.

use std::collections::HashMap;

use bytes::Bytes;

use super::moves::Ended;
use super::native::{ARGS, KEYS, Server, bulk, key_of};
use super::record::{Record, State, number};
use crate::command::{ScriptContext, script_file::wrong_count};
use crate::{Result, Value};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    New,
    Known,
    Duplicate,
}

struct Plan<'a> {
    args: &'a [Bytes; 10],
    kind: Kind,
    other: Bytes,
    key: Option<&'a Bytes>,
    /// Whether this enqueue makes a known task a child.
    adopted: bool,
}

pub(super) fn run(redis: &mut dyn ScriptContext, keys: &[Bytes], args: &[Bytes]) -> Result<Value> {
    let mut server = Server::new(redis, keys, args)?;
    let (Some(most), Some(tasks)) = (args.get(ARGS), args.get(ARGS + 1..)) else {
        return Err(wrong_count());
    };
    let (tasks, []) = tasks.as_chunks::<10>() else { return Err(wrong_count()) };
    server.begin()?;
    let mut once_keys = keys[KEYS..].iter();
    let mut epoch = server.field(b"#epoch")?.unwrap_or_default().to_vec();
    epoch.push(b' ');
    let mut first: HashMap<&[u8], (Kind, Bytes)> = HashMap::new();
    let mut taken: HashMap<&Bytes, &Bytes> = HashMap::new();
    let mut parents: HashMap<&[u8], Bytes> = HashMap::new();
    let mut children: HashMap<&[u8], u64> = HashMap::new();
    let mut plans = Vec::with_capacity(tasks.len());
    let mut new = 0;
    for task in tasks {
        let [id, _, _, _, _, _, _, _, parent, once] = task;
        let parent = parent.strip_prefix(b"=");
        let key = key_of(once, &mut once_keys)?;
        let holder = match key {
            Some(key) => match taken.get(key) {
                Some(holder) => Some((*holder).clone()),
                None => holder_of(&mut server, key, &epoch)?,
            },
            None => None,
        };
        let record = match first.contains_key(&**id) {
            true => None,
            false => server.read(id)?,
        };
        let of_parent = parent.map(|parent| first.get(parent));
        let new_parent = parent.filter(|_| matches!(of_parent, Some(Some((Kind::New, _)))));
        let is_known = first.contains_key(&**id) || record.is_some() || server.is_remembered(id)?;
        if let (Some(record), Some(_)) = (&record, new_parent) {
            parents.insert(id, record.parent.clone());
        }
        let mut adopted = false;
        if let (true, Some(parent), Some(before)) = (is_known, new_parent, parents.get(&**id))
            && before != &task[8]
        {
            let waits = record.as_ref().is_some_and(|record| record.children > 0);
            if before != "-" || waits || is_above(id, parent, &parents) {
                return Ok(Value::Array(vec![Value::bulk("taken"), bulk(id)]));
            }
            // A task that the queue has already becomes a child.
            adopted = true;
            parents.insert(id, task[8].clone());
            *children.entry(parent).or_default() += 1;
        }
        let (kind, other) = match (is_known, of_parent, holder) {
            (true, ..) => (Kind::Known, id.clone()),
            (_, Some(None), _) => (Kind::Duplicate, id.clone()),
            (_, Some(Some((kind, other))), _) if *kind != Kind::New => {
                (Kind::Duplicate, other.clone())
            }
            (.., Some(holder)) if holder != id => (Kind::Duplicate, holder),
            _ => {
                new += 1;
                taken.extend(key.map(|key| (key, id)));
                parents.insert(id, task[8].clone());
                if let Some(parent) = parent {
                    *children.entry(parent).or_default() += 1;
                }
                (Kind::New, id.clone())
            }
        };
        first.entry(id).or_insert_with(|| (kind, other.clone()));
        plans.push(Plan { args: task, kind, other, key, adopted });
    }
    let tasks = server.field_number(b"#tasks")?.unwrap_or(0);
    let live = (tasks - server.count(server.dead)? as i64).max(0) as u64;
    if new > 0 && live + new > number(most)? {
        return Ok(Value::Array(vec![Value::bulk("full"), Value::bulk(live.to_string())]));
    }
    let mut reply = vec![Value::bulk("ok"), Value::bulk(server.now.to_string())];
    for plan in &plans {
        if plan.kind == Kind::New {
            let pending = children.get(&*plan.args[0]).copied().unwrap_or(0);
            add(&mut server, plan, pending, &epoch)?;
        }
        reply.push(Value::bulk(match plan.kind {
            Kind::New => "new",
            Kind::Known => "known",
            Kind::Duplicate => "duplicate",
        }));
        reply.push(bulk(&plan.other));
    }
    for plan in plans.iter().filter(|plan| plan.adopted) {
        let [id, _, _, _, _, _, _, _, parent, _] = plan.args;
        let Some(mut record) = server.read(id)? else { continue };
        record.parent = parent.clone();
        server.write(id, &record)?;
        if record.state == State::Dead {
            server.child_ended(&record, Ended::Dead)?;
        }
    }
    server.finish(Value::Array(reply))
}

/// Whether a task is this parent, or waits for it.
fn is_above(id: &[u8], parent: &[u8], parents: &HashMap<&[u8], Bytes>) -> bool {
    let above = |task: &&[u8]| parents.get(*task).and_then(|parent| parent.strip_prefix(b"="));
    std::iter::successors(Some(parent), |task| above(task)).any(|task| task == id)
}

/// The task that a deduplication key was given to.
fn holder_of(server: &mut Server<'_>, key: &Bytes, epoch: &[u8]) -> Result<Option<Bytes>> {
    let value = server.get(key)?;
    Ok(value.and_then(|value| value.strip_prefix(epoch).map(|id| value.slice_ref(id))))
}

fn add(server: &mut Server<'_>, plan: &Plan<'_>, children: u64, epoch: &[u8]) -> Result<()> {
    let [id, payload, when, priority, attempts, poison, ttl, group, parent, once] = plan.args;
    let mut record = Record {
        priority: number(priority)?,
        children,
        group: group.clone(),
        parent: parent.clone(),
        ..Record::new(number(attempts)?, number(poison)?, number(ttl)?)
    };
    server.insert(id, payload, &mut record)?;
    if let Some(key) = plan.key {
        server.set(key, &[epoch, &**id].concat(), once)?;
    }
    let time = number(when.get(1..).unwrap_or_default())?;
    let due = if when.starts_with(b"+") { server.now.saturating_add(time) } else { time };
    match children {
        0 => server.start(id, &mut record, due.max(server.now)),
        _ => server.await_children(id, &mut record),
    }
}
