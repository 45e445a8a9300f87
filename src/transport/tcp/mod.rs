//! Redis over TCP: one server, a cluster, or the primary that sentinels name, over the `redis` crate.

mod cluster;
mod convert;
mod dial;
mod framing;
mod options;
mod pool;
mod sentinel;
mod shared_connection;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use redis::ConnectionInfo;
use redis::aio::PubSub;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use self::cluster::Cluster;
use self::convert::{error_from, packed, value_from};
use self::dial::{Connection, Dialer};
pub use self::options::TcpOptions;
use self::options::Topology;
use self::pool::{Pool, PooledConnection};
use self::sentinel::Sentinels;
use self::shared_connection::{ConnectionGuard, SharedConnection};
use self::wire::Wire;
use super::{Backend, Capabilities, Message, Messages, Results, Subscription, Transport, sending};
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
/// In a cluster, calls share one connection to each node. [`TcpOptions::hung_after`], [`TcpOptions::verify_after`] and
/// [`TcpOptions::max_reply_bytes`] do not apply to these connections. Commands that wait are refused, and SCRIPT KILL uses the
/// shared connections. Each subscription has a connection of its own in a cluster too.
pub struct TcpTransport {
    dialer: Arc<Dialer>,
    link: Link,
}

enum Link {
    Single(Arc<SingleServer>),
    Cluster(Box<Cluster>),
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
                let cluster = Cluster::new(options.cluster_client()?, options.infos()?);
                Link::Cluster(Box::new(cluster))
            }
        };
        Ok(Self { dialer: Arc::new(options.dialer()?), link })
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

    /// The server to subscribe at: in a cluster, any node that can be reached.
    async fn subscribed_server(&self) -> Result<ConnectionInfo> {
        match &self.link {
            Link::Single(single) => self.server(single).await,
            Link::Cluster(cluster) => {
                for info in &cluster.seeds {
                    if self.dialer.connect(info).await.is_ok() {
                        return Ok(info.clone());
                    }
                }
                Err(Error::new(ErrorKind::Connect, "none of the given nodes is reached"))
            }
        }
    }

    /// Every command that the server carries out, as a line of text.
    async fn monitor(&self, info: &ConnectionInfo) -> Result<Messages> {
        let mut wire = BufReader::new(self.dialer.in_time(self.dialer.open(info)).await?);
        wire.get_mut().monitor();
        let first = self.dialer.in_time(async {
            let monitor = redis::cmd("MONITOR").get_packed_command();
            wire.write_all(&monitor).await.map_err(|error| error_from(error.into()))?;
            next_line(&mut wire).await
        });
        match first.await? {
            Some(line) if line.starts_with(b"-") => {
                return Err(Error::server(&String::from_utf8_lossy(&line[1..])));
            }
            Some(_) => {}
            None => return Err(Error::new(ErrorKind::Disconnected, "the connection was closed")),
        }
        let lines = stream::unfold(Some(wire), async |wire| {
            let mut wire = wire?;
            match next_line(&mut wire).await {
                Ok(line) => {
                    let line = bytes::Bytes::from(line?).slice(1..);
                    Some((Ok(Message::new(bytes::Bytes::new(), line)), Some(wire)))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(lines.boxed())
    }
}

/// The next line with its type byte and without its line break; `None` at the end. The stream limits its length.
async fn next_line(wire: &mut BufReader<Wire>) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    wire.read_until(b'\n', &mut line).await.map_err(|error| error_from(error.into()))?;
    if !line.ends_with(b"\r\n") {
        return Ok(None);
    }
    line.truncate(line.len() - 2);
    if line.is_empty() {
        return Err(Error::new(ErrorKind::Protocol, "a reply without a type"));
    }
    Ok(Some(line))
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
            .blocking(matches!(self.link, Link::Single(_)))
            .subscriptions(true)
            .lua(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        let single = match &self.link {
            Link::Cluster(cluster) => return boxed(|| cluster.send(command)),
            Link::Single(single) => single,
        };
        if waits_for_replication(command) {
            return boxed(|| std::future::ready(Err(wait_without_writes(command))));
        }
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
            let single = match &self.link {
                Link::Cluster(cluster) => return cluster.pipeline(commands).await,
                Link::Single(single) => single,
            };
            refuse_in_batch(commands)?;
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
            if matches!(self.link, Link::Single(_)) {
                refuse_in_batch(commands)?;
            }
            let mut pipeline = redis::Pipeline::with_capacity(commands.len() + 2);
            pipeline.add_command(redis::cmd("MULTI"));
            for command in commands {
                pipeline.add_command(packed(command));
            }
            pipeline.add_command(redis::cmd("EXEC"));
            let count = commands.len() + 2;
            let mut replies = match &self.link {
                Link::Cluster(cluster) => cluster.transaction(&pipeline, count).await?,
                Link::Single(single) => self.send_all(single, &pipeline, count, false).await?,
            };
            let exec = replies.pop().unwrap_or_default();
            let refusal = replies.into_iter().find_map(|reply| value_from(reply).err());
            if let (Link::Single(single), Some(refusal)) = (&self.link, &refusal) {
                self.note_role(single, &Err::<(), _>(refusal.clone()));
            }
            match (exec, refusal) {
                (redis::Value::Array(items), None) if items.len() == commands.len() => {
                    Ok(items.into_iter().map(value_from).collect())
                }
                (_, Some(refusal)) => Err(refusal.into_discarded()),
                (exec, None) => {
                    value_from(exec)?;
                    Err(Error::new(ErrorKind::Protocol, "EXEC did not answer with its replies"))
                }
            }
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| async move {
            let info = self.subscribed_server().await?;
            match to {
                Subscription::Monitor => self.monitor(&info).await,
                Subscription::Channels(names) => {
                    let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
                    let set_up = async |pubsub: &mut PubSub| pubsub.subscribe(&names).await;
                    self.dialer.subscribed(&info, names.len(), set_up).await
                }
                Subscription::Patterns(names) => {
                    let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
                    let set_up = async |pubsub: &mut PubSub| pubsub.psubscribe(&names).await;
                    self.dialer.subscribed(&info, names.len(), set_up).await
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
