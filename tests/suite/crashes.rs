//! Histories of readers and writers in several processes, around a Redis that is killed with SIGKILL, comes back with what
//! it acknowledged, and is emptied in between. Whoever asks after an invalidation returned, in whatever process, sees what
//! was written before it; a first tier may be older by its time to live.
//!
//! A few histories run by default; `EDGECASK_TEST_CASES=100` runs so many, `EDGECASK_TEST_SEED=7` begins with that one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, Tier};
use edgecask::layer::{AutoPipeline, Deadline, Retry};
use edgecask::prelude::*;
use edgecask::{Client, Key, Keyspace, Script};
use edgecask_tests::{Dice, RedisServer, free_port, number, seeds, until};

use crate::seeded::{again, finished};

const NAME: &str = "crashes::no_process_serves_what_was_invalidated_before_a_crash";
const PROCESSES: u64 = 3;
const READERS: usize = 3;
const L1_TTL: Duration = Duration::from_millis(20);
/// What a history is made of, for the processes of it.
const SEED: &str = "EDGECASK_TEST_HISTORY";
const NUMBER: &str = "EDGECASK_TEST_PROCESS";
/// The Redis that is killed.
const KILLED: &str = "EDGECASK_TEST_KILLED";
/// The Redis that stands for the database, and for what everybody knows.
const ORIGIN: &str = "EDGECASK_TEST_ORIGIN";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Delete,
    Set,
    Tag,
    Generation,
}

#[derive(Debug, Clone)]
struct Plan {
    way: Way,
    auto_pipeline: bool,
    l1: bool,
    bus: bool,
    flushes: bool,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let coin = || dice.roll(2) == 1;
        Self {
            way: [Way::Delete, Way::Set, Way::Tag, Way::Generation][(seed % 4) as usize],
            auto_pipeline: coin(),
            l1: coin(),
            bus: coin(),
            flushes: coin(),
        }
    }

    fn cache(&self, url: &str) -> Cache {
        let mut client = Client::tcp(url).unwrap().layer(Deadline::new(Duration::from_millis(500)));
        if self.auto_pipeline {
            client = client.layer(AutoPipeline::new());
        }
        client = client.layer(Retry::new().base(Duration::from_millis(1)));
        let mut options =
            CacheOptions::new().tier(Tier::Critical).lease(Duration::from_millis(100));
        if self.way == Way::Generation {
            options = options.generation("crashes");
        }
        if self.l1 {
            options = options.l1(L1Options::new().ttl(L1_TTL));
        }
        if self.bus {
            options = options.bus("crashes");
        }
        Cache::with_options(client, options)
    }

    fn entry(&self) -> EntryOptions {
        let entry = EntryOptions::new(Duration::from_secs(60));
        if self.way == Way::Tag { entry.tags(["t"]) } else { entry }
    }

    async fn write(&self, cache: &Cache, version: u64) -> edgecask::Result<()> {
        match self.way {
            Way::Delete => cache.delete(&key()).await.map(|_| ()),
            Way::Set => cache.set(&key(), &version, self.entry()).await.map(drop),
            Way::Tag => cache.invalidate_tags(["t"]).await.map(|_| ()),
            Way::Generation => cache.clear().await.map(|_| ()),
        }
    }
}

fn key() -> Key {
    Keyspace::new(["crashes"]).unwrap().key(["k"]).unwrap()
}

/// Writes until the history ends. A version is known when its invalidation has returned.
async fn write(plan: Plan, cache: Cache, origin: Client, dice: Dice, ended: Client) {
    let known = Script::new(
        "if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or '0') then \
         redis.call('SET', KEYS[1], ARGV[1]) end return 1",
    );
    while ended.exists(["end"]).await.unwrap() == 0 {
        let version = origin.incr("database").await.unwrap() as u64;
        // Whoever was not told that it is done tries again, as does whoever is told that it is owed.
        while plan.write(&cache, version).await.is_err() || cache.owed() > 0 {
            cache.catch_up().await;
            tokio::task::yield_now().await;
        }
        origin.run_script::<i64>(&known, ["known"], [version.to_string()]).await.unwrap();
        origin.incr("writes").await.unwrap();
        tokio::time::sleep(Duration::from_micros(dice.roll(4000))).await;
    }
}

/// Reads until the history ends; tells the database of all that was out of date.
async fn read(plan: Plan, cache: Cache, origin: Client) {
    let mut seen_known: VecDeque<(Instant, u64)> = VecDeque::new();
    let (bound, mut floor) = (if plan.l1 { L1_TTL } else { Duration::ZERO }, 0);
    while origin.exists(["end"]).await.unwrap() == 0 {
        let known = origin.get::<u64>("known").await.unwrap().unwrap_or(0);
        let start = Instant::now();
        seen_known.push_back((start, known));
        while let Some((at, known)) = seen_known.front().copied()
            && at + bound <= start
        {
            floor = floor.max(known);
            seen_known.pop_front();
        }
        let load = || async { origin.get::<u64>("database").await.map(Option::unwrap_or_default) };
        // What fails tells nothing.
        if let Ok(seen) = cache.get_or_load(&key(), plan.entry(), load).await {
            origin.incr("reads").await.unwrap();
            if seen < floor {
                let told = format!("{seen} after {floor}");
                origin.rpush("violations", [told]).await.unwrap();
            }
        }
    }
}

/// One process of a history.
async fn process(seed: u64, number: u64, killed: &str, origin: &str) {
    let plan = Plan::of(seed);
    let (cache, origin) = (plan.cache(killed), Client::tcp(origin).unwrap());
    let dice = Dice::new(seed ^ (number << 32));
    let follower = tokio::spawn({
        let (cache, plan) = (cache.clone(), plan.clone());
        async move {
            // It ends when the server does.
            if plan.bus && plan.l1 {
                loop {
                    let _ = cache.follow_invalidations().await;
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let mut tasks: Vec<_> = (0..READERS)
        .map(|_| tokio::spawn(read(plan.clone(), cache.clone(), origin.clone())))
        .collect();
    // Of two that set at the same time, either may be the last one.
    if plan.way != Way::Set || number == 0 {
        let ended = origin.clone();
        tasks.push(tokio::spawn(write(plan, cache, origin, dice, ended)));
    }
    for task in tasks {
        task.await.unwrap();
    }
    follower.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_serves_what_was_invalidated_before_a_crash() {
    if let Some(seed) = number(SEED) {
        let variable = |name| std::env::var(name).unwrap();
        let number = variable(NUMBER).parse().unwrap();
        return process(seed, number, &variable(KILLED), &variable(ORIGIN)).await;
    }
    for seed in seeds(2) {
        let plan = Plan::of(seed);
        let dice = Dice::new(seed ^ 0x5eed);
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let mut redis = RedisServer::durable(port, directory.path());
        let origin = RedisServer::start();
        let processes: Vec<_> = (0..PROCESSES)
            .map(|number| {
                let variables = [
                    (SEED, seed.to_string()),
                    (NUMBER, number.to_string()),
                    (KILLED, redis.url()),
                    (ORIGIN, origin.url()),
                ];
                let mut process = again(NAME, &variables);
                process.stdout(std::process::Stdio::piped()).spawn().unwrap()
            })
            .collect();
        let database = origin.client();
        let progress = async |name: &str, more: u64| {
            let at = database.get::<u64>(name).await.unwrap().unwrap_or(0);
            until(async || database.get::<u64>(name).await.unwrap().unwrap_or(0) >= at + more)
                .await;
        };
        for _ in 0..4 {
            progress("writes", 5 + dice.roll(20)).await;
            progress("reads", 5).await;
            if plan.flushes {
                redis.client().flushall().await.unwrap();
                progress("writes", 1 + dice.roll(10)).await;
            }
            drop(redis);
            redis = RedisServer::durable(port, directory.path());
        }
        progress("writes", 20).await;
        database.set("end", 1).await.unwrap();
        for process in processes {
            finished(process).await;
        }
        let violations: Vec<String> = database.lrange("violations", 0, 9).await.unwrap();
        assert!(violations.is_empty(), "EDGECASK_TEST_SEED={seed}: {plan:?}: {violations:?}");
    }
}
