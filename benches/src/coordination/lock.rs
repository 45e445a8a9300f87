//! Hand-overs of one lock among waiters in several connections.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edgecask::Key;
use edgecask::lock::{LockOptions, Locks};
use futures_util::future::{join, try_join_all};
use rslock::LockManager;

use super::peer::{self, Kind, Task};
use super::rounds::{self, Contender, Done, Row};
use crate::throughput::Server;

// As in benches/js/coordination.mjs.
const WAITERS: usize = 100;
const CONNECTIONS: usize = 10;
/// The number of waves. In each, all waiters come, wait until the first holder releases the lock, and get it one after another.
const WAVES: usize = 5;
const TTL: Duration = Duration::from_secs(30);
/// How long a wave gathers, and how long each holds the lock.
const GATHERING: Duration = Duration::from_millis(300);
const HELD: Duration = Duration::from_millis(1);

pub(super) fn measure(root: &Path, rounds: usize) -> Result<Vec<Row>> {
    let redis = Server::redis()?;
    let contender = |name, kind| Contender { name, kind, server: &redis };
    let contenders = [
        contender("Edgecask", Kind::Edgecask),
        contender("rslock", Kind::Rslock),
        contender("redis-semaphore (Node)", Kind::Node),
    ];
    rounds::measure(root, &redis, Task::Lock, &contenders, rounds)
}

pub(super) async fn run(kind: Kind, url: &str) -> Result<Done> {
    match kind {
        Kind::Edgecask => {
            let options = LockOptions::new().ttl(TTL).wait(Duration::from_secs(120));
            let locks = (0..CONNECTIONS).map(|_| {
                let locks = Locks::with_options(peer::client(url, "")?, options.clone());
                Ok(locks.lock(Key::verbatim("lock:bench")?))
            });
            let locks = locks.collect::<Result<Vec<_>>>()?;
            waves(
                async |waiter: usize| Ok(locks[waiter % CONNECTIONS].acquire().await?),
                async |guard: edgecask::lock::LockGuard| Ok(guard.release().await.map(drop)?),
            )
            .await
        }
        Kind::Rslock => {
            let managers: Vec<LockManager> =
                (0..CONNECTIONS).map(|_| LockManager::new(vec![url])).collect();
            waves(
                async |waiter: usize| {
                    Ok(managers[waiter % CONNECTIONS].acquire("lock:bench", TTL).await?)
                },
                async |guard: rslock::LockGuard| {
                    guard.release().await;
                    Ok(())
                },
            )
            .await
        }
        _ => peer::unknown(kind),
    }
}

/// The times from the start of a holder's release until the next one has the lock.
async fn waves<G>(
    acquire: impl AsyncFn(usize) -> Result<G>,
    release: impl AsyncFn(G) -> Result<()>,
) -> Result<Done> {
    let released: Mutex<Option<Instant>> = Mutex::new(None);
    let let_go = async |guard: G| {
        *released.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        release(guard).await
    };
    let waiter = async |waiter: usize| -> Result<Duration> {
        let guard = acquire(waiter).await?;
        let last = *released.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = last.context("no holder has released the lock")?.elapsed();
        tokio::time::sleep(HELD).await;
        let_go(guard).await?;
        Ok(taken)
    };
    let mut times = Vec::new();
    for _ in 0..WAVES {
        let first = acquire(0).await?;
        let begin = async {
            tokio::time::sleep(GATHERING).await;
            let_go(first).await
        };
        let (begun, wave) = join(begin, try_join_all((0..WAITERS).map(&waiter))).await;
        begun?;
        times.extend(wave?);
    }
    let operations = times.len() as f64;
    Ok(Done { figures: peer::spread(times), operations })
}
