use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;

use super::connection::Connection;
use super::resp::{Batch, Reply};
use crate::command::Command;
use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Result};

/// One connection that all calls share. It is made when it is first needed, and replaced when it is lost or hangs.
#[derive(Default)]
pub(super) struct SharedConnection(Arc<State>);

#[derive(Default)]
struct State {
    current: RwLock<Option<Arc<Connection>>>,
    /// The attempt to connect that is under way, for all calls that need it.
    attempt: Mutex<Option<Attempt>>,
    /// How often all connections were dropped. A connection of an attempt that began before is not kept.
    generation: AtomicU64,
}

/// How much later than its limit an attempt may end.
const SLACK: Duration = Duration::from_secs(2);

/// An attempt runs as a task, so that it outlives the call that started it. Its output is `None` if its runtime shuts down first.
type Attempt = Shared<BoxFuture<'static, Option<Result<Arc<Connection>>>>>;

impl State {
    fn attempt(&self) -> MutexGuard<'_, Option<Attempt>> {
        self.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to connect.
    fn begin(
        self: &Arc<Self>,
        connect: impl Future<Output = Result<Connection>> + Send + 'static,
    ) -> Attempt {
        let (state, generation) = (Arc::clone(self), self.generation.load(SeqCst));
        let attempt = tokio::spawn(async move {
            let connection = connect.await.map(Arc::new);
            let mut attempt = state.attempt();
            if let Ok(connection) = &connection {
                let mut current = state.current.write().unwrap_or_else(PoisonError::into_inner);
                if state.generation.load(SeqCst) == generation {
                    *current = Some(Arc::clone(connection));
                }
            }
            *attempt = None;
            drop(attempt);
            connection
        });
        attempt.map(|ended| ended.ok()).boxed().shared()
    }
}

/// The connection, for one call. If it is dropped before the call has ended, the call counts as given up.
pub(super) struct ConnectionGuard<'a> {
    connection: Arc<Connection>,
    shared: &'a SharedConnection,
    began: u64,
    ended: bool,
}

impl ConnectionGuard<'_> {
    pub(super) async fn send(mut self, command: &Command) -> Result<Reply> {
        let reply = self.connection.send(command).await;
        self.settle(reply)
    }

    pub(super) async fn send_all(mut self, batch: Batch) -> Result<Vec<Reply>> {
        let replies = self.connection.send_all(batch).await;
        self.settle(replies)
    }

    /// The result of the call. It fails when the connection does; the next call connects again.
    fn settle<T>(&mut self, result: Result<T>) -> Result<T> {
        self.ended = true;
        self.connection.health.end();
        if result.is_err() {
            self.shared.forget(&self.connection);
        }
        result
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.health.abandon(self.began);
            // Checked here because there may be no further call that would check it.
            if self.connection.health.is_hung() {
                self.shared.forget(&self.connection);
            }
        }
    }
}

impl SharedConnection {
    /// Whether there is a connection that works.
    pub(super) fn is_connected(&self) -> bool {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().is_some_and(|connection| connection.works())
    }

    /// The connection, if there is one that works.
    pub(super) fn current(&self) -> Option<ConnectionGuard<'_>> {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        let connection = current.as_ref()?;
        if !connection.works() {
            return None;
        }
        Some(self.guard(Arc::clone(connection)))
    }

    fn guard(&self, connection: Arc<Connection>) -> ConnectionGuard<'_> {
        let began = connection.health.begin();
        ConnectionGuard { connection, shared: self, began, ended: false }
    }

    /// Drops this connection, so that the next call connects again. Calls that use it go on waiting for their replies.
    fn forget(&self, connection: &Arc<Connection>) {
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.take_if(|current| Arc::ptr_eq(current, connection)).is_some()
            && connection.health.is_hung()
        {
            tracing::warn!("Redis did not answer in time: the next call uses a new connection");
        }
    }

    /// Drops any connection, so that the next call connects again.
    pub(super) fn forget_all(&self) {
        let mut current = self.0.current.write().unwrap_or_else(PoisonError::into_inner);
        self.0.generation.fetch_add(1, SeqCst);
        *current = None;
    }

    /// A new connection: that of the attempt that is under way, or of a new attempt. An attempt takes as long as `limit`. One
    /// that takes longer belongs to a runtime that stands still, so it is not waited for.
    pub(super) async fn connect<F>(
        &self,
        limit: Duration,
        connect: impl Fn() -> F,
    ) -> Result<ConnectionGuard<'_>>
    where
        F: Future<Output = Result<Connection>> + Send + 'static,
    {
        loop {
            let (attempt, is_own) = {
                let mut attempt = self.0.attempt();
                // An attempt may have succeeded meanwhile.
                if let Some(current) = self.current() {
                    return Ok(current);
                }
                let is_own = attempt.is_none();
                (attempt.get_or_insert_with(|| self.0.begin(connect())).clone(), is_own)
            };
            let ended = tokio::time::timeout(limit.saturating_add(SLACK), attempt.clone()).await;
            match ended.unwrap_or(None) {
                Some(connection) => return Ok(self.guard(connection?)),
                None => {
                    // The attempt belongs to another runtime. This call's runtime is running.
                    self.0.attempt().take_if(|current| current.ptr_eq(&attempt));
                    if is_own {
                        return Err(Error::new(ErrorKind::Connect, "the runtime is shutting down"));
                    }
                }
            }
        }
    }
}
