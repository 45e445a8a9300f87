//! Processes that read, change and write a value while they hold a lock, whose clocks are wrong by 30 seconds, and which are
//! killed or stand still at any moment; locks that are evicted, and a Redis that comes back empty. The value is in a store that checks fencing tokens: no change is lost.
//!
//! A history runs by default; `EDGECASK_TEST_CASES=100` runs so many, `EDGECASK_TEST_SEED=7` begins with that one.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use edgecask::Client;
use edgecask::layer::Deadline;
use edgecask::lock::{FencedStore, LockError, LockOptions, Locks};
use edgecask::prelude::*;
use edgecask_tests::{Dice, RedisServer, free_port, number, seeds, until};

use super::{HOUR, key};
use crate::seeded::{again, signal, wrong_clocks};

const NAME: &str = "lock::processes::no_change_is_lost_whoever_dies_or_stands_still";
const SEED: &str = "EDGECASK_TEST_HISTORY";
/// The Redis of the lock.
const LOCKS: &str = "EDGECASK_TEST_LOCKS";
/// The Redis of the value, which loses nothing.
const STORE: &str = "EDGECASK_TEST_STORE";
const PROCESSES: usize = 3;
const TTL: Duration = Duration::from_millis(300);

/// Changes the value until the history ends, and logs each change that was taken.
async fn process(dice: Dice, locks: &str, store: &str) {
    let client = Client::tcp(locks).unwrap().layer(Deadline::new(Duration::from_millis(500)));
    let lock = Locks::with_options(client, LockOptions::new().ttl(TTL).wait(HOUR)).lock(key("k"));
    let (direct, value) = (Client::tcp(store).unwrap(), key("value"));
    let store = FencedStore::new(direct.clone());
    while direct.exists(["end"]).await.unwrap() == 0 {
        let Ok(guard) = lock.acquire().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let change = async {
            store.claim(&value, guard.fence()).await?;
            let old: u64 = store.get(&value).await?.unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(dice.roll(4))).await;
            store.set(&value, guard.fence(), old + 1).await?;
            Ok::<u64, LockError>(old + 1)
        };
        // It goes on though the lock may be lost: the store alone decides.
        match change.await {
            Ok(new) => {
                direct.rpush("log", [format!("{new} {}", guard.fence())]).await.unwrap();
            }
            Err(LockError::Stale { .. }) => {
                direct.incr("refused").await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        let _ = guard.release().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_lost_whoever_dies_or_stands_still() {
    if let Some(seed) = number(SEED) {
        let variable = |name| std::env::var(name).unwrap();
        let dice = Dice::new(seed ^ (u64::from(std::process::id()) << 32));
        return process(dice, &variable(LOCKS), &variable(STORE)).await;
    }
    for seed in seeds(1) {
        let (dice, port, store) = (Dice::new(seed), free_port(), RedisServer::start());
        let clocks = wrong_clocks();
        let mut locks = RedisServer::on_port(port);
        let start = |at: usize| {
            let variables = [
                (SEED, seed.to_string()),
                (LOCKS, format!("redis://127.0.0.1:{port}")),
                (STORE, store.url()),
            ];
            let mut process = again(NAME, &variables);
            process.envs(clocks[at].1.variables()).stdout(Stdio::null()).spawn().unwrap()
        };
        let mut processes: Vec<_> = (0..PROCESSES).map(start).collect();
        let direct = store.client();
        let changed = async |more: u64| {
            let at: u64 = direct.llen("log").await.unwrap();
            until(async || direct.llen("log").await.unwrap() >= at + more).await;
        };
        changed(5).await;
        for round in 0..5 {
            let at = dice.roll(PROCESSES as u64) as usize;
            match (round + dice.roll(2)) % 4 {
                0 => {
                    processes[at].start_kill().unwrap();
                    processes[at] = start(at);
                }
                1 => {
                    signal(&processes[at], "-STOP");
                    tokio::time::sleep(TTL + Duration::from_millis(dice.roll(200))).await;
                    changed(2).await;
                    signal(&processes[at], "-CONT");
                }
                2 => {
                    let lost = ["k", "edgecask:fence:{k}", "edgecask:queue:{k}"];
                    locks.client().del([lost[dice.roll(3) as usize]]).await.unwrap();
                    locks.client().script_flush().await.unwrap();
                }
                _ => {
                    drop(locks);
                    locks = RedisServer::on_port(port);
                }
            }
            changed(2 + dice.roll(4)).await;
        }
        direct.set("end", 1).await.unwrap();
        for mut process in processes {
            assert!(process.wait().await.unwrap().success(), "EDGECASK_TEST_SEED={seed}");
        }
        // A process that was killed may not have logged its last change; all others are there once, under growing tokens.
        let log: Vec<String> = direct.lrange("log", 0, -1).await.unwrap();
        let mut changes = BTreeMap::new();
        for line in &log {
            let (new, fence) = line.split_once(' ').unwrap();
            let (new, fence): (u64, u64) = (new.parse().unwrap(), fence.parse().unwrap());
            let twice = changes.insert(new, fence);
            assert_eq!(twice, None, "EDGECASK_TEST_SEED={seed}: the change to {new} was lost");
        }
        let fences: Vec<u64> = changes.into_values().collect();
        assert!(fences.is_sorted_by(|one, two| one < two), "EDGECASK_TEST_SEED={seed}: {log:?}");
    }
}
