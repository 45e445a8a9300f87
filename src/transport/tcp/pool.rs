//! A pool of connections, each of which serves one call at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::Connection;
use crate::{Error, ErrorKind, Result};

/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A bounded pool. A connection returns to it only after its call was answered. The connection of a call that was given up is
/// closed, so that the server hands no data to a caller that is gone.
pub(super) struct Pool {
    most: usize,
    room: Semaphore,
    idle: Arc<Mutex<Idle>>,
}

/// The idle connections.
#[derive(Default)]
struct Idle {
    /// Each with the time at which it was released, the oldest first.
    connections: Vec<(Instant, Connection)>,
    /// How often the pool was cleared. A connection that was taken before is not kept.
    generation: u64,
    /// The task that closes idle connections.
    sweeper: Option<JoinHandle<()>>,
}

impl Idle {
    fn sweep(&mut self) {
        self.connections.retain(|(since, connection)| {
            since.elapsed() < IDLE_TIMEOUT && !connection.is_closed()
        });
    }
}

/// A connection of the pool, for one call.
pub(super) struct PooledConnection<'a> {
    pub(super) connection: Connection,
    pool: &'a Pool,
    generation: u64,
    _room: SemaphorePermit<'a>,
}

impl PooledConnection<'_> {
    /// Keeps the connection for the next call.
    pub(super) fn release(self) {
        let mut idle = lock(&self.pool.idle);
        idle.sweep();
        if idle.generation != self.generation {
            return;
        }
        idle.connections.push((Instant::now(), self.connection));
        // The task of a runtime that has ended is finished too.
        if idle.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            idle.sweeper = Some(tokio::spawn(sweep(Arc::downgrade(&self.pool.idle))));
        }
    }
}

impl Pool {
    pub(super) fn new(most: usize) -> Self {
        Self { most, room: Semaphore::new(most), idle: Arc::default() }
    }

    /// A connection: an idle one if there is one, else a new one. If all are in use, this waits for `wait` at most.
    pub(super) async fn take(
        &self,
        wait: Duration,
        connect: impl Future<Output = Result<Connection>>,
    ) -> Result<PooledConnection<'_>> {
        let Ok(Ok(room)) = tokio::time::timeout(wait, self.room.acquire()).await else {
            let message = format!(
                "all {} connections for commands that wait are in use: wait for one of them, or raise \
                 TcpOptions::waiting_connections",
                self.most
            );
            // This limit is the client's own, so it says nothing about the server.
            return Err(Error::new(ErrorKind::BudgetSpent, message));
        };
        let (generation, connection) = {
            let mut idle = lock(&self.idle);
            idle.sweep();
            (idle.generation, idle.connections.pop())
        };
        let connection = match connection {
            Some((_, connection)) => connection,
            None => connect.await?,
        };
        Ok(PooledConnection { connection, pool: self, generation, _room: room })
    }

    /// Closes the idle connections, and those in use when their calls end.
    pub(super) fn clear(&self) {
        let mut idle = lock(&self.idle);
        idle.generation += 1;
        idle.connections.clear();
    }
}

/// Closes connections that are idle for too long, until none is idle.
async fn sweep(idle: Weak<Mutex<Idle>>) {
    let mut until = Instant::now() + IDLE_TIMEOUT;
    loop {
        tokio::time::sleep_until(until).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = lock(&idle);
        idle.sweep();
        match idle.connections.first() {
            Some((since, _)) => until = *since + IDLE_TIMEOUT,
            None => {
                idle.sweeper = None;
                return;
            }
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
