//! Redis over TCP: one server, a cluster, or the primary that sentinels name.

mod cluster;
mod connection;
mod dial;
mod endpoint;
mod handshake;
mod link;
mod options;
mod pool;
mod resp;
mod restrictions;
mod sentinel;
mod shared_connection;
mod single_server;
mod socket;
mod subscribe;
mod transaction;

use std::fmt;
use std::sync::Arc;

use self::cluster::Cluster;
pub use self::options::TcpOptions;
use self::options::Topology;
use self::restrictions::{refuse_in_batch, wait_without_writes};
use self::single_server::{SingleServer, Target};
use super::blocking::{blocking_in_pipeline, waits_for_replication};
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, boxed};
use crate::{Result, Value};

/// The transport over TCP. It connects when the first command is sent. A command whose reply was lost is not sent again.
///
/// Calls to one server, or to the primary that sentinels name, share one connection. The connection is replaced when it was
/// lost, and when no reply comes after a call was given up; see [`TcpOptions::hung_after`]. So a connection that was cut
/// without notice, or a server that runs an endless script, delays only the calls that are under way. Such a server refuses
/// what is sent on a new connection at once, with the code `BUSY`.
///
/// These have connections of their own:
/// - A command that waits for data (BLPOP, XREAD with BLOCK, …) takes one from a pool; see
///   [`TcpOptions::waiting_connections`]. If its future is dropped, the connection is closed, so that the server hands no
///   data to a caller that is gone. Data that the server had sent before is lost.
/// - A pipeline with WAIT or WAITAOF takes one from the same pool. These commands wait for the writes of their own
///   connection, so they belong behind the writes in one pipeline. A single WAIT or WAITAOF is refused.
/// - SCRIPT KILL, FUNCTION KILL and FUNCTION STATS open a connection for each call, because the shared one is blocked when
///   they are needed. In pipelines and transactions they are refused.
/// - Each subscription has one.
///
/// A connection is made by one attempt for all calls that need it. The attempt goes on when a call is given up meanwhile. A
/// call whose attempt fails was not sent. The error of a [`Deadline`](crate::layer::Deadline) says the same if the limit
/// passes before there is a connection: its outcome is [`Outcome::NotSent`](crate::Outcome::NotSent).
///
/// Behind sentinels, one more connection listens to one of them for a new primary (`+switch-master`), from the first command
/// on. When there is one, the connections to the old primary are dropped. The sentinel is asked again every 15 seconds
/// without a message, so that one which hangs is left.
///
/// # Clusters
///
/// In a cluster, all of this holds for each server: calls share one connection to it, which is replaced when it hangs.
/// - A command goes to the primary that owns the slot of its first key. If the slot has moved, the server says so, the
///   command is sent on, and the slots are asked for again. They are also asked for when a server is not reached or does not
///   answer. When a replica has taken the place of its primary, the next calls go there.
/// - MGET, MSET, DEL, UNLINK, EXISTS, TOUCH, JSON.MGET and JSON.MSET are split by slot, so they are not atomic. If a part
///   fails, the whole command fails, and its outcome is unknown if other parts may have been carried out.
/// - DBSIZE, KEYS, FLUSHALL, SCRIPT LOAD, … go to all primaries, and CONFIG SET, ACL SETUSER, … to the replicas too. Other
///   commands without keys go to any primary.
/// - A pipeline is one batch for each server, all at the same time. Commands of one slot stay in order.
/// - SCAN visits one primary after the other. It fails with [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if slots move meanwhile, because keys
///   could be missed then.
/// - A subscription ends when its server leaves the cluster, which shows as a gap. One to shard channels has a connection to
///   each owner of their slots, and also ends when such a slot moves.
pub struct TcpTransport(Link);

enum Link {
    /// One server, or the primary that sentinels name.
    Single(SingleServer),
    Cluster(Cluster),
}

impl TcpTransport {
    /// A transport with these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if a URL cannot be used.
    pub fn new(options: TcpOptions) -> Result<Self> {
        let dialer = Arc::new(options.dialer()?);
        let waiting = options.waiting;
        let single = |target| Link::Single(SingleServer::new(Arc::clone(&dialer), target, waiting));
        Ok(Self(match &options.topology {
            Topology::Server => single(Target::Server(options.first()?)),
            Topology::Sentinel(name) => single(Target::Sentinels(options.sentinels(name)?)),
            Topology::Cluster => {
                Link::Cluster(Cluster::new(dialer, options.endpoints()?, waiting)?)
            }
        }))
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TcpTransport");
        match &self.0 {
            Link::Cluster(_) => out.field("topology", &"cluster"),
            Link::Single(single) => match single.target() {
                Target::Server(endpoint) => out.field("address", &endpoint.address.to_string()),
                Target::Sentinels(_) => out.field("topology", &"sentinel"),
            },
        };
        out.finish_non_exhaustive()
    }
}

impl Transport for TcpTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis)
            .binary_batches(true)
            .blocking(true)
            .subscriptions(true)
            .lua(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if waits_for_replication(command) {
            return boxed(|| std::future::ready(Err(wait_without_writes(command))));
        }
        match &self.0 {
            Link::Single(single) => single.send(command),
            Link::Cluster(cluster) => cluster.send(command),
        }
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            if commands.is_empty() {
                return Ok(Vec::new());
            }
            let waits =
                |command: &&Command| command.is_blocking() && !waits_for_replication(command);
            if let Some(waits) = commands.iter().find(waits) {
                return Err(blocking_in_pipeline(waits));
            }
            refuse_in_batch(commands)?;
            match &self.0 {
                Link::Single(single) => single.pipeline(commands).await,
                Link::Cluster(cluster) => cluster.pipeline(commands).await,
            }
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            refuse_in_batch(commands)?;
            match &self.0 {
                Link::Single(single) => single.transaction(commands).await,
                Link::Cluster(cluster) => cluster.transaction(commands).await,
            }
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| async move {
            match &self.0 {
                Link::Single(single) => single.subscribe(to).await,
                Link::Cluster(cluster) => cluster.subscribe(to).await,
            }
        })
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _token: &str) {}

    fn register(&self, _: &Script) {}
}
