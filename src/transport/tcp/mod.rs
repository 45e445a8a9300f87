//! Redis over TCP: one server, a cluster, or the primary that sentinels name, over the `redis` crate.

mod cluster;
mod convert;
mod dial;
mod framing;
mod options;
mod pool;
mod sentinel;
mod shared_connection;
mod subscribe;
mod transaction;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use redis::ConnectionInfo;

use self::cluster::Cluster;
use self::convert::{error_from, packed, value_from};
use self::dial::{Connection, Dialer};
pub use self::options::TcpOptions;
use self::options::Topology;
use self::pool::{Pool, PooledConnection};
use self::sentinel::Sentinels;
use self::shared_connection::{ConnectionGuard, SharedConnection};
use self::subscribe::subscribe_at;
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport, sending};
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, Result, Value};

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
/// - SCAN visits one primary after the other. It fails with [`ErrorKind::Conflict`] if slots move meanwhile, because keys
///   could be missed then.
/// - A subscription ends when its server leaves the cluster, which shows as a gap.
pub struct TcpTransport {
    dialer: Arc<Dialer>,
    link: Link,
}

enum Link {
    Single(Arc<SingleServer>),
    Cluster(Cluster),
}

/// One server, or the primary that sentinels name.
struct SingleServer {
    target: Arc<Target>,
    shared: SharedConnection,
    waiting: Pool,
    /// The task that hears of a new primary from the sentinels.
    watch: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl SingleServer {
    /// Drops the connections, because another server is the primary now.
    fn leave(&self) {
        tracing::info!(
            "another server has become the primary: the next call uses a new connection"
        );
        self.shared.forget_all();
        self.waiting.clear();
    }

    /// Starts to listen to the sentinels, if there are some and nothing listens yet.
    fn start_watch(self: &Arc<Self>, dialer: &Arc<Dialer>) {
        if let Target::Sentinels(_) = &*self.target {
            let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
            // The task of a runtime that has ended is finished too.
            if watch.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
                let watching =
                    watch_sentinels(Arc::downgrade(self), Arc::clone(&self.target), dialer.clone());
                *watch = Some(tokio::spawn(watching));
            }
        }
    }

    /// Drops the connections if their server is no primary any more.
    async fn check_role(&self, dialer: &Dialer) {
        let Some(connection) = self.shared.current() else { return };
        let role = dialer.in_time(connection.send(&redis::cmd("ROLE"))).await;
        if matches!(role.and_then(value_from).and_then(sentinel::is_primary), Ok(false)) {
            self.leave();
        }
    }
}

impl Drop for SingleServer {
    fn drop(&mut self) {
        let watch = self.watch.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = watch {
            watch.abort();
        }
    }
}

/// Listens to one sentinel, or to another one when this one is lost, until the transport is dropped. A sentinel that hangs
/// keeps its subscription open, so it is asked from time to time.
async fn watch_sentinels(single: Weak<SingleServer>, target: Arc<Target>, dialer: Arc<Dialer>) {
    const SILENCE: Duration = Duration::from_secs(15);
    const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(15);
    let Target::Sentinels(sentinels) = &*target else { return };
    let leave = || {
        if let Some(single) = single.upgrade() {
            single.leave();
        }
    };
    let mut pause = SHORTEST_PAUSE;
    for sentinel in sentinels.sentinels.iter().cycle() {
        if let Ok(mut messages) = sentinels.messages(&dialer, sentinel).await {
            pause = SHORTEST_PAUSE;
            // Nobody told what happened before.
            sentinels.ask_again(&dialer, leave).await;
            match single.upgrade() {
                Some(single) => single.check_role(&dialer).await,
                None => return,
            }
            loop {
                match tokio::time::timeout(SILENCE, messages.next()).await {
                    Ok(Some(Ok(message))) if sentinels.concerns(&message.payload) => {
                        sentinels.ask_again(&dialer, leave).await;
                        if sentinels.names_another(&message.payload) {
                            leave();
                        }
                    }
                    Ok(Some(Ok(_))) => {}
                    Ok(_) => break,
                    Err(_) => match sentinels.ask_one(&dialer, sentinel).await {
                        Ok(false) => {}
                        Ok(true) => leave(),
                        Err(_) => break,
                    },
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum Target {
    Server(ConnectionInfo),
    Sentinels(Sentinels),
}

impl Target {
    async fn connect(&self, dialer: &Dialer) -> Result<Connection> {
        match self {
            Self::Server(info) => dialer.connect(info).await,
            Self::Sentinels(sentinels) => {
                let connected = sentinels.connect(dialer, &sentinels.primary);
                Ok(dialer.in_time(connected).await?.1)
            }
        }
    }

    /// A connection that a busy server accepts too. Such a server refuses SELECT, so the database is left out.
    async fn connect_when_busy(&self, dialer: &Dialer) -> Result<Connection> {
        let without_database = |info: &ConnectionInfo| {
            info.clone().set_redis_settings(info.redis_settings().clone().set_db(0))
        };
        match self {
            Self::Server(info) => dialer.connect(&without_database(info)).await,
            Self::Sentinels(sentinels) => {
                let primary = without_database(&sentinels.primary);
                Ok(dialer.in_time(sentinels.connect(dialer, &primary)).await?.1)
            }
        }
    }
}

impl TcpTransport {
    /// A transport with these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a URL cannot be used.
    pub fn new(options: TcpOptions) -> Result<Self> {
        let dialer = Arc::new(options.dialer()?);
        let single = |target| {
            let waiting = Pool::new(options.waiting_connections);
            Link::Single(Arc::new(SingleServer {
                target: Arc::new(target),
                shared: SharedConnection::default(),
                waiting,
                watch: Mutex::default(),
            }))
        };
        let link = match &options.topology {
            Topology::Server => single(Target::Server(options.first()?)),
            Topology::Sentinel(name) => single(Target::Sentinels(options.sentinels(name)?)),
            Topology::Cluster => {
                let waiting = options.waiting_connections;
                Link::Cluster(Cluster::new(Arc::clone(&dialer), options.infos()?, waiting)?)
            }
        };
        Ok(Self { dialer, link })
    }

    /// The shared connection, for one call. Making one is rare and its future is large, so that future is boxed.
    async fn shared_connection<'a>(
        &'a self,
        single: &'a Arc<SingleServer>,
    ) -> Result<ConnectionGuard<'a>> {
        match single.shared.current() {
            Some(guard) => {
                sending::sent();
                Ok(guard)
            }
            None => {
                let attempt = || {
                    let (dialer, single) = (Arc::clone(&self.dialer), Arc::clone(single));
                    async move {
                        let connection = dialer.in_time(single.target.connect(&dialer)).await?;
                        single.start_watch(&dialer);
                        Ok(connection)
                    }
                };
                sending::unsent(boxed(|| single.shared.connect(attempt))).await
            }
        }
    }

    /// A pooled connection, for one call that may take long.
    async fn pooled_connection<'a>(
        &'a self,
        single: &'a SingleServer,
    ) -> Result<PooledConnection<'a>> {
        let connect = single.target.connect(&self.dialer);
        sending::unsent(single.waiting.take(self.dialer.connect_timeout, connect)).await
    }

    /// Sends a command that waits for data, on a pooled connection.
    async fn wait_for(&self, single: &SingleServer, command: &Command) -> Result<Value> {
        let pooled = self.pooled_connection(single).await?;
        let reply = pooled.connection.send(&packed(command)).await.map_err(error_from);
        let result = reply.and_then(value_from);
        self.note_role(single, &result);
        if result.is_ok() {
            pooled.release();
        }
        result
    }

    /// Sends a command that a busy server has to receive, on a new connection.
    async fn send_when_busy(&self, single: &SingleServer, command: &Command) -> Result<Value> {
        let connection = sending::unsent(single.target.connect_when_busy(&self.dialer)).await?;
        value_from(connection.send(&packed(command)).await.map_err(error_from)?)
    }

    /// The address and settings of the current server.
    async fn server(&self, single: &SingleServer) -> Result<ConnectionInfo> {
        match &*single.target {
            Target::Server(info) => Ok(info.clone()),
            Target::Sentinels(sentinels) => {
                let connected = sentinels.connect(&self.dialer, &sentinels.primary);
                Ok(self.dialer.in_time(connected).await?.0)
            }
        }
    }

    /// Drops the connections if their server has become a replica, so that the next call finds the new primary.
    fn note_role<T>(&self, single: &SingleServer, result: &Result<T>) {
        if matches!(result, Err(error) if error.code() == Some("READONLY")) {
            single.leave();
        }
    }

    async fn send_all(
        &self,
        single: &Arc<SingleServer>,
        pipeline: &redis::Pipeline,
        count: usize,
        alone: bool,
    ) -> Result<Vec<redis::Value>> {
        let replies = if alone {
            let pooled = self.pooled_connection(single).await?;
            let replies = pooled.connection.send_all(pipeline, count).await.map_err(error_from)?;
            pooled.release();
            replies
        } else {
            self.shared_connection(single).await?.send_all(pipeline, count).await?
        };
        if replies.len() == count {
            return Ok(replies);
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("{count} commands were sent, {} replies came back", replies.len()),
        ))
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TcpTransport");
        match &self.link {
            Link::Cluster(_) => out.field("topology", &"cluster"),
            Link::Single(single) => match &*single.target {
                Target::Server(info) => out.field("address", &info.addr().to_string()),
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
        let single = match &self.link {
            Link::Cluster(cluster) => return cluster.send(command),
            Link::Single(single) => single,
        };
        if command.is_blocking() {
            return boxed(|| self.wait_for(single, command));
        }
        if command.serves_when_busy() {
            return boxed(|| self.send_when_busy(single, command));
        }
        boxed(|| async move {
            let reply = self.shared_connection(single).await?.send(&packed(command)).await;
            let result = reply.and_then(value_from);
            self.note_role(single, &result);
            result
        })
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
            let single = match &self.link {
                Link::Cluster(cluster) => return cluster.pipeline(commands).await,
                Link::Single(single) => single,
            };
            let mut pipeline = redis::Pipeline::with_capacity(commands.len());
            for command in commands {
                pipeline.add_command(packed(command));
            }
            let alone = commands.iter().any(waits_for_replication);
            let replies = self.send_all(single, &pipeline, commands.len(), alone).await?;
            let results: Results = replies.into_iter().map(value_from).collect();
            for result in &results {
                self.note_role(single, result);
            }
            Ok(results)
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            refuse_in_batch(commands)?;
            let single = match &self.link {
                Link::Cluster(cluster) => return cluster.transaction(commands).await,
                Link::Single(single) => single,
            };
            let (pipeline, count) = transaction::pipeline(commands);
            let replies = self.send_all(single, &pipeline, count, false).await?;
            let results = transaction::results(replies, commands.len());
            self.note_role(single, &results);
            results
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| async move {
            match &self.link {
                Link::Cluster(cluster) => cluster.subscribe(to).await,
                Link::Single(single) => {
                    subscribe_at(&self.dialer, &self.server(single).await?, to).await
                }
            }
        })
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _token: &str) {}
}

/// Whether a command waits until the writes of its own connection are on replicas or on disk.
fn waits_for_replication(command: &Command) -> bool {
    command.name().starts_with("WAIT") && matches!(command.name(), "WAIT" | "WAITAOF")
}

fn wait_without_writes(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this command waits for the writes of its own connection, and connections are shared: put it behind the writes in \
         one pipeline",
    )
    .with_command(|| command.label())
}

/// Refuses commands that a busy server has to receive: a batch uses the shared connection, which such a server blocks.
fn refuse_in_batch(commands: &[Command]) -> Result<()> {
    match commands.iter().find(|command| command.serves_when_busy()) {
        None => Ok(()),
        Some(command) => Err(Error::new(
            ErrorKind::Unsupported,
            "this command has to reach a busy server, and a batch cannot: send it by itself",
        )
        .with_command(|| command.label())),
    }
}

fn blocking_in_pipeline(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a command that waits for data cannot be in a pipeline: it would block the calls of all others",
    )
    .with_command(|| command.label())
}
