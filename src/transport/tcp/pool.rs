//! Connections that one call has for itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::dial::Connection;
use crate::{Error, ErrorKind, Result};

/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A bounded pool. A connection comes back only after its call has been answered: one whose call was given up is closed,
/// so that the server hands nothing to somebody who is gone.
pub(super) struct Pool {
    most: usize,
    room: Semaphore,
    idle: Arc<Mutex<Idle>>,
}

/// What nobody uses at the moment.
#[derive(Default)]
struct Idle {
    /// Each with the time at which it came back, the oldest first.
    connections: Vec<(Instant, Connection)>,
    /// How often the pool was cleared: what was taken before does not come back.
    generation: u64,
    /// Closes what nobody uses for long.
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
        // One of a runtime that is gone has finished.
        if idle.sweeper.as_ref().is_none_or(JoinHandle::is_finished) {
            idle.sweeper = Some(tokio::spawn(sweep(Arc::downgrade(&self.pool.idle))));
        }
    }
}

impl Pool {
    pub(super) fn new(most: usize) -> Self {
        Self { most, room: Semaphore::new(most), idle: Arc::default() }
    }

    /// A connection, an idle one if there is one. If all are in use, it waits at the most so long for one.
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
            // The server is not the reason.
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

    /// Lets go of all that are idle, and of those in use when their calls end.
    pub(super) fn clear(&self) {
        let mut idle = lock(&self.idle);
        idle.generation += 1;
        idle.connections.clear();
    }
}

/// Closes connections when nobody has used them for long, as long as there are some.
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
