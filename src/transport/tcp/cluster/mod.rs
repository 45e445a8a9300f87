//! A cluster: a router that sends each command to the server of its slot.
//!
//! `route.rs` says which servers run a command, `batch.rs` sends commands to them, `topology.rs` finds the servers, and
//! `scan.rs` visits all of them. The connections are those of a single server.

mod batch;
mod connect;
mod destination;
mod node;
mod redirection;
mod route;
mod scan;
mod slot_map;
mod subscribe;
mod topology;

use std::sync::Arc;

use futures_util::future::join_all;

use self::batch::{Call, Connections};
use self::destination::Target;
use self::node::Node;
use self::route::{Join, Route, first_slot};
use self::topology::Topology;
use super::dial::Dialer;
use super::endpoint::Endpoint;
use super::pool::PoolSize;
use super::restrictions::wait_without_writes;
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::transport::blocking::waits_for_replication;
use crate::transport::{Messages, Results, Subscription, sending};
use crate::{Error, ErrorKind, Result, Value};

/// The servers of a cluster.
pub(super) struct Cluster {
    topology: Arc<Topology>,
}

/// How the reply of a command is made from those of its calls.
enum Reply {
    /// The call at this position has it.
    Of(usize),
    /// The calls from this position on, as many as this.
    Joined(Join, usize, usize),
    /// It is a step of SCAN, or cannot be sent.
    Other(Result<()>),
}

impl Cluster {
    pub(super) fn new(
        dialer: Arc<Dialer>,
        seeds: Vec<Endpoint>,
        waiting: PoolSize,
    ) -> Result<Self> {
        if seeds.is_empty() {
            return Err(Error::new(ErrorKind::Config, "there is no URL of a Redis server"));
        }
        let topology = Topology::new(dialer, seeds, waiting);
        Ok(Self { topology: Arc::new(topology) })
    }

    /// Sends one command: to the server of its slot, or to all servers that have a part in it.
    pub(super) fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if command.serves_when_busy() {
            return boxed(|| self.send_when_busy(command));
        }
        let route = Route::of(command);
        let target = match route {
            Route::Slot(slot) => Target::Slot(slot),
            Route::AnyPrimary => Target::AnyPrimary,
            _ => {
                return boxed(|| async {
                    let mut results = self.pipeline(std::slice::from_ref(command)).await?;
                    results.pop().unwrap_or_else(|| Ok(Value::Nil))
                });
            }
        };
        if command.is_blocking() {
            return boxed(|| async {
                let mut calls = [Call::new(command, target)];
                batch::run(&self.topology, &mut calls, Connections::Pooled).await;
                let [call] = calls;
                call.into_result()
            });
        }
        boxed(|| batch::send(&self.topology, command, target))
    }

    /// Sends commands to their servers, all at once. Commands of one slot stay in order.
    pub(super) async fn pipeline(&self, commands: &[Command]) -> Result<Results> {
        let slots = sending::unsent(self.topology.known_slots()).await?;
        let has_wait = commands.iter().any(waits_for_replication);
        let connections = if has_wait { Connections::Pooled } else { Connections::Shared };
        let routes: Vec<Route> = commands.iter().map(Route::of).collect();
        let mut calls: Vec<Call<'_>> = Vec::with_capacity(commands.len());
        let mut written: Vec<&Arc<Node>> = Vec::new();
        let mut replies = Vec::with_capacity(commands.len());
        for (command, route) in commands.iter().zip(&routes) {
            let first = calls.len();
            let to_node = |node: &Arc<Node>| Call::new(command, Target::Node(Arc::clone(node)));
            let reply = match route {
                Route::Slot(slot) => {
                    written.extend(slots.owner(*slot));
                    calls.push(Call::new(command, Target::Slot(*slot)));
                    Reply::Of(first)
                }
                Route::AnyPrimary => {
                    calls.push(Call::new(command, Target::AnyPrimary));
                    Reply::Of(first)
                }
                Route::Split(parts, join) => {
                    for part in parts {
                        written.extend(slots.owner(part.slot));
                        calls.push(Call::new(&part.command, Target::Slot(part.slot)));
                    }
                    Reply::Joined(join.clone(), first, parts.len())
                }
                // It waits for the writes before it, so it goes where they went.
                Route::Primaries(join) if waits_for_replication(command) => {
                    written.sort_by_key(|node| Arc::as_ptr(node));
                    written.dedup_by(|one, other| Arc::ptr_eq(one, other));
                    calls.extend(written.iter().map(|node| to_node(node)));
                    if written.is_empty() {
                        Reply::Other(Err(wait_without_writes(command)))
                    } else {
                        Reply::Joined(join.clone(), first, written.len())
                    }
                }
                Route::Primaries(join) => {
                    written.extend(slots.primaries().iter().map(|member| &member.node));
                    calls.extend(slots.primaries().iter().map(|member| to_node(&member.node)));
                    Reply::Joined(join.clone(), first, calls.len() - first)
                }
                Route::Nodes(join) => {
                    calls.extend(slots.members().map(|member| to_node(&member.node)));
                    Reply::Joined(join.clone(), first, calls.len() - first)
                }
                Route::Scan => Reply::Other(Ok(())),
            };
            replies.push(reply);
        }
        batch::run(&self.topology, &mut calls, connections).await;
        let mut done: Results = calls.into_iter().map(Call::into_result).collect();
        let mut results = Vec::with_capacity(commands.len());
        for (command, reply) in commands.iter().zip(replies) {
            let mut take = |at: usize| std::mem::replace(&mut done[at], Ok(Value::Nil));
            results.push(match reply {
                Reply::Of(at) => take(at),
                Reply::Joined(join, first, count) => {
                    join.join(command, (first..first + count).map(take).collect())
                }
                Reply::Other(Ok(())) => scan::scan(&self.topology, command).await,
                Reply::Other(Err(error)) => Err(error),
            });
        }
        Ok(results)
    }

    /// Runs commands as a unit on the server of the first key.
    pub(super) async fn transaction(&self, commands: &[Command]) -> Result<Results> {
        let target = commands.iter().find_map(first_slot).map_or(Target::AnyPrimary, Target::Slot);
        batch::transaction(&self.topology, commands, target).await
    }

    /// Sends a command that busy servers have to receive, to all primaries on new connections.
    async fn send_when_busy(&self, command: &Command) -> Result<Value> {
        let slots = sending::unsent(self.topology.known_slots()).await?;
        let sent = slots.primaries().iter().map(async |member| {
            let connection = sending::unsent(self.topology.dial(&member.node)).await?;
            connection.send(command).await?.into_result()
        });
        let replies = join_all(sent).await;
        match Route::of(command) {
            Route::Primaries(join) => join.join(command, replies),
            _ => Join::AnySuccess.join(command, replies),
        }
    }

    /// Subscribes at any server of the cluster. The subscription ends when the server leaves it.
    pub(super) async fn subscribe(&self, to: &Subscription) -> Result<Messages> {
        subscribe::subscribe(&self.topology, to).await
    }
}
