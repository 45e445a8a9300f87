//! Workers share a lock: they wait in order, one pauses for too long and loses it, and the store refuses its late write. Then they
//! elect a leader.
//!
//! ```sh
//! cargo run --example locks
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use edgecask::Keyspace;
use edgecask::config::Config;
use edgecask::lock::{FencedStore, LockError, LockOptions, Locks};
use futures_util::future::try_join_all;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;
    let locks = Locks::with_options(client.clone(), LockOptions::new().ttl(Duration::from_secs(2)));
    let key = Keyspace::literal("example:locks").key("total")?;
    let lock = locks.lock(Keyspace::literal("lock:example").key("total")?);
    let store = FencedStore::new(client);

    // Five workers add to a total. Each reads it, and writes it back.
    let workers = (1..=5).map(|number| {
        let (lock, store, key) = (&lock, &store, &key);
        async move {
            let guard = lock.acquire().await?;
            store.claim(key, guard.fence()).await?;
            let total = store.get::<i64>(key).await?.unwrap_or(0) + 1;
            store.set(key, guard.fence(), total).await?;
            println!("worker {number} writes {total} under the token {}", guard.fence());
            guard.release().await
        }
    });
    try_join_all(workers).await?;

    // One does not renew its lock, and stands still for longer than it lasts.
    let hasty = locks.configured(|options| options.ttl(Duration::from_millis(100)).renew(false));
    let paused = hasty.lock(lock.key().clone()).acquire().await?;
    println!("a worker pauses, and has lost its lock: {}", paused.lost().await);
    let guard = lock.acquire().await?;
    store.claim(&key, guard.fence()).await?;
    match store.set(&key, paused.fence(), 0).await {
        Err(LockError::Stale { .. }) => println!("its late write is refused"),
        other => return Err(format!("it is not refused: {other:?}").into()),
    }
    guard.release().await?;

    let election =
        locks.election(Keyspace::literal("leader:example").key("scheduler")?, "node-1")?;
    let term = election.lead(async |term| term).await?;
    println!("node-1 led in term {term}, and has resigned");
    Ok(())
}
