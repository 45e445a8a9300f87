//! A pool of connections, each of which serves one call at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::connection::Connection;
use crate::{Error, ErrorKind, Result};

/// How long an idle connection is kept, unless it is one of those that are kept ready.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many connections a pool has.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolSize {
    pub(super) most: usize,
    /// How many are kept ready once the pool has been used, as far as `most` leaves room.
    pub(super) min_idle: usize,
}

/// A bounded pool. A connection returns to it only after its call was answered. The connection of a call that was given up is
/// closed, so that the server hands no data to a caller that is gone.
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    size: PoolSize,
    /// One permit for each connection that is in use or being made.
    room: Arc<Semaphore>,
    idle: Mutex<Idle>,
    /// Wakes the task that keeps connections ready, because one may be missing. Without such connections, nothing listens.
    changed: Arc<Notify>,
}

/// The idle connections.
#[derive(Default)]
struct Idle {
    /// Each with the time at which it was released, the oldest first.
    connections: Vec<(Instant, Connection)>,
    /// How often the pool was cleared. A connection that was taken before is not kept.
    generation: u64,
    /// The task that closes idle connections, and makes those that are to be kept ready.
    keeper: Option<JoinHandle<()>>,
}

/// A connection of the pool, for one call.
pub(super) struct PooledConnection {
    pub(super) connection: Connection,
    generation: u64,
    place: Place,
}

/// The place of a connection that is in use.
struct Place {
    pool: Arc<Inner>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.pool.changed.notify_one();
    }
}

impl PooledConnection {
    /// Keeps the connection for the next call.
    pub(super) fn release(self) {
        // The place is free only after the connection is idle, so that there are never too many.
        self.place.pool.put(self.connection, self.generation);
    }
}

impl Pool {
    pub(super) fn new(size: PoolSize) -> Self {
        Self(Arc::new(Inner {
            size,
            room: Arc::new(Semaphore::new(size.most)),
            idle: Mutex::default(),
            changed: Arc::default(),
        }))
    }

    /// A connection: an idle one if there is one, else a new one. If all are in use, this waits for `wait` at most.
    pub(super) async fn take<C>(
        &self,
        wait: Duration,
        connect: impl Fn() -> C + Send + 'static,
    ) -> Result<PooledConnection>
    where
        C: Future<Output = Result<Connection>> + Send + 'static,
    {
        let pool = &self.0;
        let room = Arc::clone(&pool.room).acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(wait, room).await else {
            let message = format!(
                "all {} connections for commands that wait are in use: wait for one of them, or raise \
                 TcpOptions::waiting_connections",
                pool.size.most
            );
            // This limit is the client's own, so it says nothing about the server.
            return Err(Error::new(ErrorKind::BudgetSpent, message));
        };
        let (generation, connection) = {
            let mut idle = lock(&pool.idle);
            idle.sweep(pool.size.min_idle);
            let usable = |(_, connection): &(Instant, Connection)| connection.is_of_this_runtime();
            let at = idle.connections.iter().rposition(usable);
            (idle.generation, at.map(|at| idle.connections.remove(at)))
        };
        let connection = match connection {
            Some((_, connection)) => connection,
            None => connect().await?,
        };
        pool.keep(connect);
        let place = Place { pool: Arc::clone(pool), permit: Some(permit) };
        Ok(PooledConnection { connection, generation, place })
    }

    /// Closes the idle connections, and those in use when their calls end.
    pub(super) fn clear(&self) {
        let mut idle = lock(&self.0.idle);
        idle.generation += 1;
        idle.connections.clear();
    }
}

impl Inner {
    fn put(&self, connection: Connection, generation: u64) {
        let mut idle = lock(&self.idle);
        idle.sweep(self.size.min_idle);
        if idle.generation == generation {
            idle.connections.push((Instant::now(), connection));
        }
    }

    /// Starts the task that maintains the idle connections.
    fn keep<C>(self: &Arc<Self>, connect: impl Fn() -> C + Send + 'static)
    where
        C: Future<Output = Result<Connection>> + Send + 'static,
    {
        let mut idle = lock(&self.idle);
        // The task of a runtime that has ended is finished too.
        if idle.keeper.as_ref().is_none_or(JoinHandle::is_finished) {
            let keeper = keep(Arc::downgrade(self), Arc::clone(&self.changed), connect);
            idle.keeper = Some(tokio::spawn(keeper));
        }
        self.changed.notify_one();
    }

    /// A permit to make a connection that is missing among those to be kept ready, and the generation that it is for.
    fn missing(&self) -> Option<(OwnedSemaphorePermit, u64)> {
        let mut idle = lock(&self.idle);
        idle.sweep(self.size.min_idle);
        let ready = idle.connections.len();
        if ready >= self.size.min_idle {
            return None;
        }
        let permit = Arc::clone(&self.room).try_acquire_owned().ok()?;
        // The room that is left is that of the idle connections too.
        (ready <= self.room.available_permits()).then_some((permit, idle.generation))
    }
}

impl Idle {
    /// Drops the connections that are lost, and those that are idle for too long and more than `min_idle`.
    fn sweep(&mut self, min_idle: usize) {
        self.connections.retain(|(_, connection)| !connection.is_closed());
        let spare = self.connections.len().saturating_sub(min_idle);
        let outdated = |(since, _): &&(Instant, Connection)| since.elapsed() >= IDLE_TIMEOUT;
        let outdated = self.connections.iter().take(spare).take_while(outdated).count();
        self.connections.drain(..outdated);
    }

    /// Sweeps; returns when the next sweep is due.
    fn next_sweep(&mut self, min_idle: usize) -> Option<Instant> {
        self.sweep(min_idle);
        match self.connections.first() {
            Some((since, _)) if self.connections.len() > min_idle => Some(*since + IDLE_TIMEOUT),
            // One that is kept ready may be lost.
            _ if min_idle > 0 => Some(Instant::now() + IDLE_TIMEOUT),
            _ => None,
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.changed.notify_one();
    }
}

/// Makes the connections that are missing and closes those that are idle for too long, as long as there is the pool.
async fn keep<C>(pool: Weak<Inner>, changed: Arc<Notify>, connect: impl Fn() -> C)
where
    C: Future<Output = Result<Connection>>,
{
    let mut left = 0;
    loop {
        let Some(inner) = pool.upgrade() else { return };
        let min_idle = inner.size.min_idle;
        // Only this many at a time: a server may close each of them at once.
        if left > 0
            && let Some((permit, generation)) = inner.missing()
        {
            drop(inner);
            left -= 1;
            match connect().await {
                Ok(connection) => {
                    let Some(inner) = pool.upgrade() else { return };
                    inner.put(connection, generation);
                }
                Err(error) => {
                    left = 0;
                    tracing::debug!(%error, "no connection was made to be kept ready");
                }
            }
            drop(permit);
            continue;
        }
        let next_sweep = lock(&inner.idle).next_sweep(min_idle);
        drop(inner);
        match next_sweep {
            Some(next) => drop(tokio::time::timeout_at(next, changed.notified()).await),
            None => changed.notified().await,
        }
        left = min_idle;
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
