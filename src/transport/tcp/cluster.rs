use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::ConnectionLike;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use tokio::sync::OnceCell;

use super::convert::{error_from, packed, value_from};
use crate::command::Command;
use crate::transport::sending;
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// A cluster. The crate finds each key's node; redirections are followed here, and nothing else is sent again: the crate
/// would also repeat commands whose answers were lost.
pub(super) struct Cluster {
    client: ClusterClient,
    /// For subscriptions, which any node serves.
    pub(super) seeds: Vec<redis::ConnectionInfo>,
    connection: OnceCell<ClusterConnection>,
}

/// How often a command may be sent on to another node.
const MOST_REDIRECTIONS: usize = 8;
/// How long to wait while a slot is being moved, and before more than one redirection.
const SLOT_IS_MOVING: Duration = Duration::from_millis(20);

impl Cluster {
    pub(super) fn new(client: ClusterClient, seeds: Vec<redis::ConnectionInfo>) -> Self {
        Self { client, seeds, connection: OnceCell::new() }
    }

    async fn connection(&self) -> Result<ClusterConnection> {
        if let Some(connection) = self.connection.get() {
            sending::sent();
            return Ok(connection.clone());
        }
        let connect = || async { self.client.get_async_connection().await };
        sending::unsent(async {
            let connection = self.connection.get_or_try_init(connect).await;
            connection.cloned().map_err(|error| {
                Error::new(ErrorKind::Connect, "no node of the cluster is reached")
                    .with_source(error)
            })
        })
        .await
    }

    pub(super) async fn send(&self, command: &Command) -> Result<Value> {
        if command.name() == "SCAN" {
            return self.scan(command).await;
        }
        let mut connection = self.connection().await?;
        let cmd = packed(command);
        let mut result = connection.req_packed_command(&cmd).await;
        for redirections in 0..MOST_REDIRECTIONS {
            let Err(error) = &result else { break };
            if redirections > 1 {
                tokio::time::sleep(SLOT_IS_MOVING).await;
            }
            match (error.code(), error.redirect_node()) {
                (Some("MOVED"), Some((node, _))) => {
                    result = connection.route_command(cmd.clone(), address(node)?).await;
                }
                (Some("ASK"), Some((node, _))) => {
                    let RoutingInfo::SingleNode(node) = address(node)? else { break };
                    let mut asking = redis::Pipeline::with_capacity(2);
                    asking.add_command(redis::cmd("ASKING")).add_command(cmd.clone());
                    let replies = connection.route_pipeline(asking, 1, 1, node).await;
                    result = replies.map(|mut replies| replies.pop().unwrap_or_default());
                }
                (Some("TRYAGAIN"), _) => {
                    tokio::time::sleep(SLOT_IS_MOVING).await;
                    result = connection.req_packed_command(&cmd).await;
                }
                _ => break,
            }
        }
        value_from(result.map_err(error_from)?)
    }

    /// Commands to their nodes, all at once; those of one key stay in order.
    pub(super) async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Result<Value>>> {
        self.connection().await?;
        Ok(join_all(commands.iter().map(|command| self.send(command))).await)
    }

    /// A transaction, to the one node that has all of its keys.
    pub(super) async fn transaction(
        &self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> Result<Vec<redis::Value>> {
        let mut connection = self.connection().await?;
        connection.req_packed_commands(pipeline, 0, count).await.map_err(error_from)
    }

    /// SCAN goes through the primaries, one after the other. The cursor says which, and where in it.
    async fn scan(&self, command: &Command) -> Result<Value> {
        let given = command.get(0).map(String::from_utf8_lossy).unwrap_or_default();
        let (at, cursor) = given
            .split_once('@')
            .map_or((0, &*given), |(cursor, at)| (at.parse().unwrap_or(usize::MAX), cursor));
        let primaries = self.primaries().await?;
        let Some((host, port)) = primaries.get(at).cloned() else {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the cluster has changed since this iteration began: begin anew",
            ));
        };
        let rest = command.args().skip(1);
        let cmd = packed(&Command::new("SCAN").arg(cursor).args_from(rest));
        let node = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
        let mut connection = self.connection().await?;
        let page = connection.route_command(cmd, node).await.map_err(error_from)?;
        let (cursor, keys) = <(String, Value)>::from_value(value_from(page)?)?;
        let cursor = match (&*cursor, at + 1) {
            ("0", next) if next < primaries.len() => format!("0@{next}"),
            ("0", _) => cursor,
            _ => format!("{cursor}@{at}"),
        };
        Ok(Value::Array(vec![Value::bulk(cursor), keys]))
    }

    /// The addresses of all primaries, in an order that stays while the cluster does.
    async fn primaries(&self) -> Result<Vec<(String, u16)>> {
        let mut connection = self.connection().await?;
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let random = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
        let reply = connection.route_command(slots, random).await.map_err(error_from)?;
        let mut primaries = Vec::new();
        for range in Vec::<Vec<Value>>::from_value(value_from(reply)?)? {
            let mut node =
                Vec::<Value>::from_value(range.into_iter().nth(2).unwrap_or_default())?.into_iter();
            let host = String::from_value(node.next().unwrap_or_default())?;
            primaries.push((host, u16::from_value(node.next().unwrap_or_default())?));
        }
        primaries.sort_unstable();
        primaries.dedup();
        Ok(primaries)
    }
}

fn address(node: &str) -> Result<RoutingInfo> {
    let parsed = node.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match parsed {
        Some((host, port)) => Ok(RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress {
            host: host.to_owned(),
            port,
        })),
        None => Err(Error::new(ErrorKind::Protocol, "a redirection to no address")),
    }
}
