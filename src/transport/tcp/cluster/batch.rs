//! Sends commands to their servers: one pipeline to each, all at the same time.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::super::resp::{Batch, Reply};
use super::super::transaction;
use super::connect::{Unreached, connected, shared_connection};
use super::destination::{Destination, Next, SLOT_IS_MOVING, Target};
use super::node::Node;
use super::topology::Topology;
use crate::command::{Command, Footprint};
use crate::transport::{Results, sending};
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// How old the map may be for a call that any primary may run. A server that has left the cluster runs it too, and redirects
/// nothing.
const OLD_FOR_ANY: Duration = Duration::from_secs(5);
/// Lets a server run the next command on a slot that it is about to take over.
const ASKING: &str = "ASKING";

/// How old the map may be when a call is given up.
const OLD: Duration = Duration::from_millis(500);

/// A command, the server that it goes to, and its reply.
pub(super) struct Call<'a> {
    command: &'a Command,
    destination: Destination,
    /// The reply of the last server. It may be a redirection that is still to be followed.
    result: Option<Result<Value>>,
}

impl<'a> Call<'a> {
    pub(super) fn new(command: &'a Command, target: Target) -> Self {
        Self { command, destination: Destination::new(target), result: None }
    }

    pub(super) fn into_result(self) -> Result<Value> {
        self.result.unwrap_or_else(|| Err(without_reply()))
    }
}

/// Which connections calls use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connections {
    /// Those that all calls share.
    Shared,
    /// Others, because the calls wait.
    Pooled,
}

/// Sends one command.
pub(super) async fn send(
    topology: &Arc<Topology>,
    command: &Command,
    target: Target,
) -> Result<Value> {
    let mut call = Call::new(command, target);
    let owner = call.destination.node(&topology.slots(), 0);
    if let Ok(node) = owner
        && !call.destination.is_any()
        && let Some(guard) = node.shared.current()
    {
        // The usual case, without the lists of many.
        sending::sent();
        let given_up = GivenUp::new(topology);
        let reply = guard.send(command).await.and_then(Reply::into_result);
        given_up.disarm(&reply);
        match call.destination.follow(topology, &node, &reply) {
            Next::Done => return reply,
            Next::Send => {}
            Next::Wait => tokio::time::sleep(SLOT_IS_MOVING).await,
        }
    }
    let mut calls = [call];
    run(topology, &mut calls, Connections::Shared).await;
    let [call] = calls;
    call.into_result()
}

/// Sends commands, and sends again what servers redirect. Commands of one slot stay in order.
pub(super) async fn run(
    topology: &Arc<Topology>,
    calls: &mut [Call<'_>],
    connections: Connections,
) {
    let mut pending: Vec<usize> = (0..calls.len()).collect();
    let any = choice(topology);
    if calls.iter().any(|call| call.destination.is_any()) {
        topology.refresh_if_older(OLD_FOR_ANY);
    }
    while !pending.is_empty() {
        let slots = match sending::unsent(topology.known_slots()).await {
            Ok(slots) => slots,
            Err(error) => {
                pending.iter().for_each(|at| calls[*at].result = Some(Err(error.clone())));
                return;
            }
        };
        let mut batches: Vec<(Arc<Node>, Vec<usize>)> = Vec::new();
        let round = std::mem::take(&mut pending);
        for &at in &round {
            match calls[at].destination.node(&slots, any) {
                Ok(node) => match batches.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &node)) {
                    Some((_, batch)) => batch.push(at),
                    None => batches.push((node, vec![at])),
                },
                Err(error) => {
                    topology.refresh_if_older(OLD);
                    calls[at].result = Some(Err(error));
                }
            }
        }
        let all = &*calls;
        let sent = batches.iter().map(|(node, batch)| {
            let batch = batch.iter().map(|at| &all[*at]);
            send_batch(topology, node, batch, connections)
        });
        let replies = join_all(sent).await;
        let mut must_wait = false;
        for ((node, batch), replies) in batches.into_iter().zip(replies) {
            match replies {
                Ok(replies) => {
                    for (at, reply) in batch.into_iter().zip(replies) {
                        let next = calls[at].destination.follow(topology, &node, &reply);
                        calls[at].result = Some(reply);
                        if next != Next::Done {
                            must_wait |= next == Next::Wait;
                            pending.push(at);
                        }
                    }
                }
                Err(unreached) => {
                    for at in batch {
                        match calls[at].destination.avoid(&slots, &unreached) {
                            Ok(()) => pending.push(at),
                            Err(error) => calls[at].result = Some(Err(error)),
                        }
                    }
                }
            }
        }
        pending.sort_unstable();
        if !pending.is_empty() && pending.len() < round.len() {
            keep_order(calls, &round, &mut pending);
        }
        if must_wait {
            tokio::time::sleep(SLOT_IS_MOVING).await;
        }
    }
}

/// Takes calls out of `pending` if a later call of this round has run that touches the same keys. A server may change its mind
/// between two commands of a pipeline: it redirects the first and runs the second. The first must not run any more then, and
/// its redirection is its result.
fn keep_order(calls: &[Call<'_>], round: &[usize], pending: &mut Vec<usize>) {
    let hasher = RandomState::new();
    let mut later: HashMap<u16, Footprint> = HashMap::new();
    let mut out_of_order = Vec::new();
    for &at in round.iter().rev() {
        let Call { command, destination, result } = &calls[at];
        let Some(slot) = destination.slot() else { continue };
        if pending.binary_search(&at).is_err() {
            if !matches!(result, Some(Err(error)) if error.outcome() == Outcome::NotSent) {
                later.entry(slot).or_default().add(command, &hasher);
            }
        } else if let Some(later) = later.get(&slot)
            && Footprint::of(std::iter::once(*command), &hasher).conflicts(later)
        {
            out_of_order.push(at);
        }
    }
    pending.retain(|at| !out_of_order.contains(at));
}

/// The position of a primary for what any may run: one that is connected, if there is one.
fn choice(topology: &Topology) -> usize {
    let slots = topology.slots();
    let count = slots.primaries().len();
    if count == 0 {
        return 0;
    }
    let start = fastrand::usize(..count);
    let is_connected = |at: &usize| slots.primaries()[at % count].node.shared.is_connected();
    (start..start + count).find(is_connected).unwrap_or(start)
}

/// Sends the calls of one server in one pipeline. There is a result for each call.
async fn send_batch<'a>(
    topology: &Arc<Topology>,
    node: &Node,
    calls: impl ExactSizeIterator<Item = &'a Call<'a>> + Clone,
    connections: Connections,
) -> Result<Results, Unreached> {
    let mut batch = Batch::default();
    for call in calls.clone() {
        if call.destination.asking {
            batch.push(&Command::new(ASKING));
        }
        batch.push(call.command);
    }
    let replies = match connections {
        Connections::Shared => {
            let guard = shared_connection(topology, node).await?;
            let given_up = GivenUp::new(topology);
            let replies = guard.send_all(batch).await;
            given_up.disarm(&replies);
            replies
        }
        Connections::Pooled => {
            let limit = topology.dialer.connect_timeout;
            let taken = node.waiting.take(limit, topology.dialing(node));
            let pooled = connected(topology, node, taken).await?;
            let replies = pooled.connection.send_all(batch).await;
            if replies.is_ok() {
                pooled.release();
            }
            replies
        }
    };
    let mut replies = match replies {
        Ok(replies) => replies.into_iter(),
        Err(error) => return Ok(calls.map(|_| Err(error.clone())).collect()),
    };
    Ok(calls
        .map(|call| {
            if call.destination.asking {
                replies.next();
            }
            replies.next().map_or_else(|| Err(without_reply()), Reply::into_result)
        })
        .collect())
}

/// Runs commands as a unit on the server of their keys.
pub(super) async fn transaction(
    topology: &Arc<Topology>,
    commands: &[Command],
    target: Target,
) -> Result<Results> {
    let mut destination = Destination::new(target);
    let any = choice(topology);
    loop {
        let slots = sending::unsent(topology.known_slots()).await?;
        let node = destination.node(&slots, any)?;
        let guard = match shared_connection(topology, &node).await {
            Ok(guard) => guard,
            Err(unreached) => {
                destination.avoid(&slots, &unreached)?;
                continue;
            }
        };
        let asking = destination.asking.then(|| Command::new(ASKING));
        let batch = transaction::batch(asking.as_ref(), commands);
        let given_up = GivenUp::new(topology);
        let replies = guard.send_all(batch).await;
        given_up.disarm(&replies);
        let mut replies = replies?;
        if asking.is_some() {
            replies.remove(0);
        }
        let results = transaction::results(replies, commands.len());
        match destination.follow(topology, &node, &results) {
            Next::Done => return results,
            Next::Send => {}
            Next::Wait => tokio::time::sleep(SLOT_IS_MOVING).await,
        }
    }
}

/// Asks for the slots when a call is dropped before its reply, or fails: its server may be gone.
struct GivenUp<'a>(Option<&'a Arc<Topology>>);

impl<'a> GivenUp<'a> {
    fn new(topology: &'a Arc<Topology>) -> Self {
        Self(Some(topology))
    }

    fn disarm<T>(mut self, result: &Result<T>) {
        let is_loss =
            |error: &Error| matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout);
        if !result.as_ref().is_err_and(is_loss) {
            self.0 = None;
        }
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(topology) = self.0 {
            topology.refresh_if_older(OLD);
        }
    }
}

fn without_reply() -> Error {
    Error::new(ErrorKind::Protocol, "the server sent fewer replies than there were commands")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirected_call_does_not_run_behind_a_later_one_of_its_key() {
        let moved = || Err(Error::server("MOVED 1 host:1"));
        let lost = || Err(Error::new(ErrorKind::Disconnected, ""));
        let unsent = || Err(Error::new(ErrorKind::Connect, ""));
        let done = || Ok(Value::OK);
        // The commands of a round, their results, and whether the first one may still run.
        for (commands, results, runs) in [
            (["SET k 1", "SET k 2"], [moved(), done()], false),
            (["SET k 1", "GET k"], [moved(), done()], false),
            (["GET k", "SET k 1"], [moved(), lost()], false),
            (["GET k", "GET k"], [moved(), done()], true),
            (["SET k 1", "SET {k}2 1"], [moved(), done()], true),
            (["MSET {k}2 1 k 1", "SET k 1"], [moved(), done()], false),
            (["SET k 1", "SET k 2"], [moved(), unsent()], true),
            (["SET k 1", "SET k 2"], [moved(), moved()], true),
        ] {
            let commands = commands.map(|line| {
                let mut words = line.split(' ').map(str::to_owned);
                Command::new(words.next().unwrap()).args_from(words)
            });
            let is_moved = |result: &Result<Value>| {
                result.as_ref().is_err_and(|error| error.code() == Some("MOVED"))
            };
            let mut pending: Vec<usize> = (0..2).filter(|at| is_moved(&results[*at])).collect();
            let calls: Vec<Call<'_>> = commands
                .iter()
                .zip(results)
                .map(|(command, result)| {
                    let slot = crate::key::slot_of(b"k");
                    Call { result: Some(result), ..Call::new(command, Target::Slot(slot)) }
                })
                .collect();
            keep_order(&calls, &[0, 1], &mut pending);
            assert_eq!(pending.contains(&0), runs, "{commands:?}");
        }
    }
}
