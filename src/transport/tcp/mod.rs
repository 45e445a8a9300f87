//! Redis over TCP: one server, a cluster, or the primary that sentinels name, over the `redis` crate.

mod cluster;
mod convert;
mod kept;
mod options;
mod sentinel;

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;

use self::cluster::Cluster;
use self::convert::{error_from, line_from, message_from, packed, value_from};
use self::kept::{Held, Kept};
pub use self::options::TcpOptions;
use self::options::Topology;
use self::sentinel::Sentinel;
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, Result, Value};

/// The transport over TCP. It connects when the first command is sent, and again after the connection was lost; a
/// command whose answer was lost is not sent again. A command that waits for data (BLPOP, …) has a connection of its own
/// for as long as it waits.
pub struct TcpTransport {
    link: Link,
    connect_timeout: Duration,
}

enum Link {
    Server { client: redis::Client, kept: Kept },
    Cluster(Cluster),
    Sentinel(Sentinel),
}

impl TcpTransport {
    /// A transport with these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a URL cannot be used.
    pub fn new(options: TcpOptions) -> Result<Self> {
        let connect_timeout = options.connect_timeout;
        let link = match &options.topology {
            Topology::Server => Link::Server { client: options.server()?, kept: Kept::default() },
            Topology::Cluster => {
                Link::Cluster(Cluster::new(options.cluster_client()?, options.servers()?))
            }
            Topology::Sentinel(name) => {
                Link::Sentinel(Sentinel::new(options.sentinel_client(name)?, connect_timeout))
            }
        };
        Ok(Self { link, connect_timeout })
    }

    async fn send_all(
        &self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> Result<Vec<redis::Value>> {
        let replies = match &self.link {
            Link::Cluster(cluster) => cluster.transaction(pipeline, count).await,
            Link::Server { client, kept } => {
                let mut held = match kept.current() {
                    Some(held) => held,
                    None => self.connect(client, kept).await?,
                };
                let replies = held.connection.send_packed_commands(pipeline, 0, count).await;
                held.settle(replies)
            }
            Link::Sentinel(sentinel) => {
                let watch = sentinel.watch();
                let mut held = sentinel.hold().await?;
                let replies = held.connection.send_packed_commands(pipeline, 0, count).await;
                watch.disarm();
                held.settle(replies)
            }
        }?;
        if replies.len() == count {
            return Ok(replies);
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("{count} commands were sent, {} replies came back", replies.len()),
        ))
    }

    /// The one connection, for a call. Making it is rare and large: in a box it does not weigh on every call.
    fn connect<'a>(
        &self,
        client: &'a redis::Client,
        kept: &'a Kept,
    ) -> BoxFuture<'a, Result<Held<'a>>> {
        let timeout = self.connect_timeout;
        boxed(move || kept.connect(async move || kept::connect(client, timeout).await))
    }

    /// Sends a command that waits for data, on a connection of its own.
    async fn wait_for(&self, command: &Command) -> Result<Value> {
        let client = self.one_server().await?;
        let mut connection = kept::connect(&client, self.connect_timeout).await?;
        let reply = connection.send_packed_command(&packed(command)).await;
        value_from(reply.map_err(error_from)?)
    }

    /// A client of one server, for what needs a connection of its own.
    async fn one_server(&self) -> Result<redis::Client> {
        match &self.link {
            Link::Server { client, .. } => Ok(client.clone()),
            Link::Sentinel(sentinel) => sentinel.primary().await,
            Link::Cluster(cluster) => {
                for client in &cluster.seeds {
                    if kept::connect(client, self.connect_timeout).await.is_ok() {
                        return Ok(client.clone());
                    }
                }
                Err(Error::new(ErrorKind::Connect, "none of the given nodes is reached"))
            }
        }
    }
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TcpTransport");
        match &self.link {
            Link::Server { client, .. } => {
                out.field("address", &client.get_connection_info().addr().to_string())
            }
            Link::Cluster(_) => out.field("topology", &"cluster"),
            Link::Sentinel(_) => out.field("topology", &"sentinel"),
        };
        out.finish_non_exhaustive()
    }
}

impl Transport for TcpTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis)
            .binary_batches(true)
            .blocking(!matches!(self.link, Link::Cluster(_)))
            .subscriptions(true)
            .lua(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if command.is_blocking() {
            return boxed(|| self.wait_for(command));
        }
        match &self.link {
            Link::Cluster(cluster) => boxed(|| cluster.send(command)),
            Link::Server { client, kept } => boxed(|| async move {
                let mut held = match kept.current() {
                    Some(held) => held,
                    None => self.connect(client, kept).await?,
                };
                let reply = held.connection.send_packed_command(&packed(command)).await;
                value_from(held.settle(reply)?)
            }),
            Link::Sentinel(sentinel) => boxed(|| async move {
                let watch = sentinel.watch();
                let mut held = sentinel.hold().await?;
                let reply = held.connection.send_packed_command(&packed(command)).await;
                watch.disarm();
                value_from(held.settle(reply)?)
            }),
        }
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            if let Some(waits) = commands.iter().find(|command| command.is_blocking()) {
                return Err(waits_in_batch(waits));
            }
            if let Link::Cluster(cluster) = &self.link {
                return cluster.pipeline(commands).await;
            }
            let mut pipeline = redis::Pipeline::with_capacity(commands.len());
            for command in commands {
                pipeline.add_command(packed(command));
            }
            let replies = self.send_all(&pipeline, commands.len()).await?;
            Ok(replies.into_iter().map(value_from).collect())
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let mut pipeline = redis::Pipeline::with_capacity(commands.len() + 2);
            pipeline.add_command(redis::cmd("MULTI"));
            for command in commands {
                pipeline.add_command(packed(command));
            }
            pipeline.add_command(redis::cmd("EXEC"));
            let mut replies = self.send_all(&pipeline, commands.len() + 2).await?;
            let exec = replies.pop().unwrap_or_default();
            let refusal = replies.into_iter().find_map(|reply| value_from(reply).err());
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
            if *to == Subscription::Monitor {
                let client = self.one_server().await?;
                let monitor = client.get_async_monitor().await.map_err(error_from)?;
                let lines = monitor.into_on_message::<redis::Value>().map(line_from);
                return Ok(lines.boxed());
            }
            let client = self.one_server().await?;
            let mut pubsub = client.get_async_pubsub().await.map_err(error_from)?;
            match to {
                Subscription::Channels(channels) => {
                    let names: Vec<&[u8]> = channels.iter().map(|name| &name[..]).collect();
                    pubsub.subscribe(names).await
                }
                Subscription::Patterns(patterns) => {
                    let names: Vec<&[u8]> = patterns.iter().map(|name| &name[..]).collect();
                    pubsub.psubscribe(names).await
                }
                Subscription::Monitor => Ok(()),
            }
            .map_err(error_from)?;
            Ok(pubsub.into_on_message().map(|message| message_from(&message)).boxed())
        })
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _token: &str) {}
}

fn waits_in_batch(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a command that waits for data cannot be in a pipeline: it would hold up everybody else",
    )
    .with_command(|| command.label())
}
