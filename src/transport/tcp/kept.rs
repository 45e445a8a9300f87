use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use super::convert::error_from;
use super::dial::Connection;
use crate::Result;

/// One shared connection, made when it is first needed, and again after it was lost or hung.
#[derive(Default)]
pub(super) struct Kept {
    current: RwLock<Option<Arc<Connection>>>,
    /// Held by who makes the next connection.
    connecting: Mutex<()>,
}

/// The connection, for one call. Dropping it before the call has ended tells that the call was given up.
pub(super) struct Held<'a> {
    connection: Arc<Connection>,
    kept: &'a Kept,
    began: u64,
    ended: bool,
}

impl Held<'_> {
    pub(super) async fn send(mut self, command: &redis::Cmd) -> Result<redis::Value> {
        let reply = self.connection.send(command).await;
        self.settle(reply)
    }

    pub(super) async fn send_all(
        mut self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> Result<Vec<redis::Value>> {
        let replies = self.connection.send_all(pipeline, count).await;
        self.settle(replies)
    }

    /// The result of the call. It fails when the connection does; the next call connects again.
    fn settle<T>(&mut self, result: redis::RedisResult<T>) -> Result<T> {
        self.ended = true;
        self.connection.watch.end();
        if result.as_ref().is_err_and(|error| error.is_unrecoverable_error()) {
            self.kept.forget(&self.connection);
        }
        result.map_err(error_from)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.watch.give_up(self.began);
            // Here, too: nobody may ever call again, and a hung connection should not stay for ever.
            if self.connection.watch.is_hung() {
                self.kept.forget(&self.connection);
            }
        }
    }
}

impl Kept {
    /// The connection, if there is one that serves.
    pub(super) fn current(&self) -> Option<Held<'_>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let connection = current.as_ref()?;
        if connection.is_closed() || connection.watch.is_hung() {
            return None;
        }
        let began = connection.watch.begin();
        Some(Held { connection: Arc::clone(connection), kept: self, began, ended: false })
    }

    /// Lets the next call connect again. Calls that wait for replies of this connection go on waiting.
    fn forget(&self, connection: &Arc<Connection>) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.take_if(|current| Arc::ptr_eq(current, connection)).is_some()
            && connection.watch.is_hung()
        {
            tracing::warn!("Redis left calls unanswered: the next one has a new connection");
        }
    }

    /// Lets the next call connect again.
    pub(super) fn forget_all(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A new connection, unless somebody else makes one meanwhile.
    pub(super) async fn connect(
        &self,
        connect: impl AsyncFnOnce() -> Result<Connection>,
    ) -> Result<Held<'_>> {
        let _alone = self.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let connection = Arc::new(connect().await?);
        let began = connection.watch.begin();
        let held = Held { connection: Arc::clone(&connection), kept: self, began, ended: false };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(held)
    }
}
