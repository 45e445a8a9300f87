//! One server, or the primary that sentinels name.

mod connections;
mod target;
mod watch;

use std::sync::Arc;

use self::connections::Connections;
pub(super) use self::target::Target;
use self::watch::Watch;
use super::dial::Dialer;
use super::pool::{Pool, PoolSize, PooledConnection};
use super::resp::{Batch, Reply};
use super::shared_connection::{ConnectionGuard, SharedConnection};
use super::subscribe::subscribe_at;
use super::transaction;
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::transport::blocking::waits_for_replication;
use crate::transport::{Messages, Results, Subscription, sending};
use crate::{Result, Value};

pub(super) struct SingleServer {
    dialer: Arc<Dialer>,
    target: Arc<Target>,
    connections: Arc<Connections>,
    watch: Arc<Watch>,
}

impl SingleServer {
    pub(super) fn new(dialer: Arc<Dialer>, target: Target, waiting: PoolSize) -> Self {
        let connections =
            Connections { shared: SharedConnection::default(), waiting: Pool::new(waiting) };
        Self {
            dialer,
            target: Arc::new(target),
            connections: Arc::new(connections),
            watch: Arc::default(),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if command.is_blocking() {
            return boxed(|| self.wait_for(command));
        }
        if command.serves_when_busy() {
            return boxed(|| self.send_when_busy(command));
        }
        boxed(|| async move {
            let reply = self.shared_connection().await?.send(command).await;
            let result = reply.and_then(Reply::into_result);
            self.connections.note_role(&result);
            result
        })
    }

    pub(super) async fn pipeline(&self, commands: &[Command]) -> Result<Results> {
        let alone = commands.iter().any(waits_for_replication);
        let replies = self.send_all(Batch::of(commands.iter()), alone).await?;
        let results: Results = replies.into_iter().map(Reply::into_result).collect();
        for result in &results {
            self.connections.note_role(result);
        }
        Ok(results)
    }

    pub(super) async fn transaction(&self, commands: &[Command]) -> Result<Results> {
        let replies = self.send_all(transaction::batch(None, commands), false).await?;
        let results = transaction::results(replies, commands.len());
        self.connections.note_role(&results);
        results
    }

    pub(super) async fn subscribe(&self, to: &Subscription) -> Result<Messages> {
        subscribe_at(&self.dialer, &self.target.server(&self.dialer).await?, to).await
    }

    /// The shared connection, for one call. Making one is rare and its future is large, so that future is boxed.
    async fn shared_connection(&self) -> Result<ConnectionGuard<'_>> {
        match self.connections.shared.current() {
            Some(guard) => {
                sending::sent();
                Ok(guard)
            }
            None => {
                let limit = self.dialer.connect_timeout;
                let attempt = || {
                    let (dialer, target) = (Arc::clone(&self.dialer), Arc::clone(&self.target));
                    let (watch, connections) =
                        (Arc::clone(&self.watch), Arc::clone(&self.connections));
                    async move {
                        let connection = dialer.in_time(target.connect(&dialer)).await?;
                        watch.start(&target, &dialer, &connections);
                        Ok(connection)
                    }
                };
                sending::unsent(boxed(|| self.connections.shared.connect(limit, attempt))).await
            }
        }
    }

    /// A pooled connection, for one call that may take long.
    async fn pooled_connection(&self) -> Result<PooledConnection> {
        let (dialer, target) = (Arc::clone(&self.dialer), Arc::clone(&self.target));
        let connect = move || {
            let (dialer, target) = (Arc::clone(&dialer), Arc::clone(&target));
            async move { target.connect(&dialer).await }
        };
        let taken = self.connections.waiting.take(self.dialer.connect_timeout, connect);
        sending::unsent(taken).await
    }

    /// Sends a command that waits for data, on a pooled connection.
    async fn wait_for(&self, command: &Command) -> Result<Value> {
        let pooled = self.pooled_connection().await?;
        let reply = pooled.connection.send(command).await;
        let result = reply.and_then(Reply::into_result);
        self.connections.note_role(&result);
        if result.is_ok() {
            pooled.release();
        }
        result
    }

    /// Sends a command that a busy server has to receive, on a new connection.
    async fn send_when_busy(&self, command: &Command) -> Result<Value> {
        let connection = sending::unsent(self.target.connect_when_busy(&self.dialer)).await?;
        connection.send(command).await?.into_result()
    }

    async fn send_all(&self, batch: Batch, alone: bool) -> Result<Vec<Reply>> {
        if !alone {
            return self.shared_connection().await?.send_all(batch).await;
        }
        let pooled = self.pooled_connection().await?;
        let replies = pooled.connection.send_all(batch).await?;
        pooled.release();
        Ok(replies)
    }
}
