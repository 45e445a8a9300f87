//! Connections that one call has for itself.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::dial::Connection;
use crate::{Error, ErrorKind, Result};

/// How long a connection that nobody uses is kept.
const KEPT_IDLE: Duration = Duration::from_secs(30);

/// A bounded pool. A connection comes back only after its call has been answered: one whose call was given up is closed,
/// so that the server hands nothing to somebody who is gone.
pub(super) struct Pool {
    most: usize,
    room: Semaphore,
    idle: Mutex<Vec<(Instant, Connection)>>,
}

/// A connection of the pool, for one call.
pub(super) struct Own<'a> {
    pub(super) connection: Connection,
    pool: &'a Pool,
    _room: SemaphorePermit<'a>,
}

impl Own<'_> {
    /// Keeps the connection for the next call.
    pub(super) fn give_back(self) {
        let mut idle = self.pool.fresh_idle();
        idle.push((Instant::now(), self.connection));
    }
}

impl Pool {
    pub(super) fn new(most: usize) -> Self {
        Self { most, room: Semaphore::new(most), idle: Mutex::default() }
    }

    /// A connection, an idle one if there is one. If all are in use, it waits at the most so long for one.
    pub(super) async fn take(
        &self,
        wait: Duration,
        connect: impl Future<Output = Result<Connection>>,
    ) -> Result<Own<'_>> {
        let Ok(Ok(room)) = tokio::time::timeout(wait, self.room.acquire()).await else {
            let message = format!(
                "all {} connections for commands that wait are in use: wait for one of them, or raise \
                 TcpOptions::waiting_connections",
                self.most
            );
            return Err(Error::new(ErrorKind::Connect, message));
        };
        let idle = self.fresh_idle().pop();
        let connection = match idle {
            Some((_, connection)) => connection,
            None => connect.await?,
        };
        Ok(Own { connection, pool: self, _room: room })
    }

    /// Lets go of all that are idle.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn fresh_idle(&self) -> MutexGuard<'_, Vec<(Instant, Connection)>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, connection)| since.elapsed() < KEPT_IDLE && !connection.is_closed());
        idle
    }
}
