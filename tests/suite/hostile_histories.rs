//! Histories of readers and writers in several processes, over a network that loses answers, delivers commands a second
//! time, and delivers them after their callers gave up, through random stacks of layers and tiers. A read that begins after
//! a write or an invalidation returned sees it; where a tier may be stale, it sees what was known before the tier's bound.
//!
//! A few histories run by default; `EDGECASK_TEST_CASES=1000` runs so many, `EDGECASK_TEST_SEED=7` begins with that one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, EdgeStore, EntryOptions, L1Options, LoadOptions, Tier};
use edgecask::layer::{AutoPipeline, Fallback, Retry};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::{Results, Transport};
use edgecask::{Error, ErrorKind, Key, Keyspace, Result};
use edgecask_tests::{By, Dice, RedisServer, Tap, Tapped, Trip, seeds, until};
use futures_util::future::join_all;

const PROCESSES: usize = 3;
const READERS: usize = 6;
const WRITES: u64 = 30;
const LEASE: Duration = Duration::from_millis(50);
/// How late a command arrives at the most: a few outlive leases and the marks of writes.
const LATE: Duration = Duration::from_millis(6);
const LATEST: Duration = Duration::from_millis(100);
const L1_TTL: Duration = Duration::from_millis(10);
const EDGE_TTL: Duration = Duration::from_millis(10);
/// What a store at the edge may add to its time to live.
const EDGE_LATE: Duration = Duration::from_millis(50);

/// What is taken out of the cache on purpose, to show that the histories find it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Without {
    Nothing,
    /// A version is made by the client, so that a command that arrives twice sets the same one again.
    NewVersions,
    /// So is the token of a lease.
    NewTokens,
    /// A write stores in any case.
    FencedWrites,
}

impl Without {
    /// The script that runs in place of this one.
    fn source(self, sha: &[u8]) -> Option<String> {
        let script = edgecask::scripts().find(|script| script.sha().as_bytes() == sha)?;
        let source = script.source();
        let by_client = || source.replace("now[1] .. '.' .. now[2] .. '-' .. ARGV[1]", "ARGV[1]");
        match self {
            Self::NewVersions if source.contains("'renew'") => Some(by_client()),
            Self::NewTokens if source.contains("'look'") => Some(by_client()),
            Self::FencedWrites if source.contains("ARGV[4]") && source.contains("KEYS[2]") => {
                Some(source.replace(
                    "if held ~= ARGV[1] then",
                    "if held ~= ARGV[1] and ARGV[4] == '0' then",
                ))
            }
            _ => None,
        }
    }

    fn applied(self, command: &Command) -> Command {
        let source = command.get(0).filter(|_| command.name() == "EVALSHA");
        match source.and_then(|sha| self.source(sha)) {
            Some(source) => Command::new("EVAL").arg(source).args_from(command.args().skip(1)),
            None => command.clone(),
        }
    }
}

/// A network between a process and Redis.
#[derive(Debug, Clone)]
struct Hostile {
    dice: Dice,
    without: Without,
    calm: Arc<AtomicBool>,
}

fn lost() -> Error {
    Error::new(ErrorKind::Timeout, "nobody answered")
}

impl Hostile {
    async fn lossy(&self, commands: &[Command], inner: &Arc<dyn Transport>) -> Result<Results> {
        let commands: Vec<Command> =
            commands.iter().map(|command| self.without.applied(command)).collect();
        let later = |after: u64| {
            let (inner, commands) = (Arc::clone(inner), commands.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(after)).await;
                let _ = inner.pipeline(&commands).await;
            });
        };
        if self.calm.load(Ordering::SeqCst) {
            return inner.pipeline(&commands).await;
        }
        let late = if self.dice.roll(10) == 0 { LATEST } else { LATE };
        let after = self.dice.roll(late.as_micros() as u64);
        match self.dice.roll(20) {
            // It arrives after its caller gave up.
            0 => {
                later(after);
                Err(lost())
            }
            // It arrives, and again later.
            1 | 2 => {
                later(after);
                inner.pipeline(&commands).await
            }
            // It arrives, and its answer does not.
            3 => {
                inner.pipeline(&commands).await?;
                Err(lost())
            }
            // It never left.
            4 => Err(Error::new(ErrorKind::Connect, "no route")),
            _ => inner.pipeline(&commands).await,
        }
    }
}

impl Tap for Hostile {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        match trip.by {
            By::Send | By::Pipeline => Box::pin(self.lossy(trip.commands, trip.inner)),
            By::Transaction => Box::pin(trip.go()),
        }
    }
}

/// A store at the edge that all processes share, and that keeps its times.
#[derive(Debug, Clone, Default)]
struct Shelf(Arc<Mutex<HashMap<String, (Bytes, Instant)>>>);

impl EdgeStore for Shelf {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        let held = self.0.lock().unwrap().get(key).cloned();
        let held = held.filter(|(_, until)| *until > Instant::now());
        Box::pin(async { Ok(held.map(|(stored, _)| stored)) })
    }

    fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        let until = Instant::now() + ttl;
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.lock().unwrap().insert(key.to_owned(), (stored, until));
            Ok(())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.0.lock().unwrap().remove(key);
        Box::pin(async { Ok(()) })
    }
}

/// How a writer makes a version known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Delete,
    Set,
    Tag,
    Generation,
    Pattern,
}

const WAYS: [Way; 5] = [Way::Delete, Way::Set, Way::Tag, Way::Generation, Way::Pattern];

/// What a history is made of.
#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    way: Way,
    without: Without,
    retry: bool,
    auto_pipeline: bool,
    fallback: bool,
    l1: bool,
    bus: bool,
    edge: bool,
    flushes: bool,
    waits: bool,
    /// An outage is forgiven, and what Redis missed is made up for.
    forgives: bool,
    writers: u64,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let coin = || dice.roll(2) == 1;
        let way = WAYS[(seed % 5) as usize];
        Self {
            seed,
            way,
            without: Without::Nothing,
            retry: coin(),
            auto_pipeline: coin(),
            fallback: coin(),
            l1: coin(),
            bus: coin(),
            edge: coin(),
            flushes: coin(),
            waits: coin(),
            forgives: coin(),
            // Of two who set at the same time, either may be the last.
            writers: if way == Way::Set { 1 } else { 1 + dice.roll(2) },
        }
    }

    /// Nothing around the cache but retries.
    fn bare(seed: u64, way: Way, without: Without) -> Self {
        let (l1, bus, edge, fallback, auto_pipeline) = (false, false, false, false, false);
        let (retry, flushes, waits, forgives) = (seed.is_multiple_of(2), false, false, false);
        Self {
            seed,
            way,
            without,
            retry,
            auto_pipeline,
            fallback,
            l1,
            bus,
            edge,
            flushes,
            waits,
            forgives,
            writers: 1,
        }
    }

    fn cache(&self, redis: &RedisServer, network: &Hostile, shelf: &Shelf) -> Cache {
        let mut client = redis.client().layer(Tapped(network.clone()));
        if self.fallback {
            client = client.layer(Fallback::to(MemoryTransport::new()));
        }
        if self.auto_pipeline {
            client = client.layer(AutoPipeline::new());
        }
        if self.retry {
            client = client.layer(Retry::new().base(Duration::from_millis(1)));
        }
        let tier = if self.forgives { Tier::Important } else { Tier::Critical };
        let mut options = CacheOptions::new().tier(tier).lease(LEASE);
        if !self.waits {
            options = options.lease_wait(Duration::ZERO);
        }
        if self.way == Way::Generation {
            options = options.generation("histories");
        }
        if self.l1 {
            options = options.l1(L1Options::new().ttl(L1_TTL));
        }
        if self.bus {
            options = options.bus("histories");
        }
        if self.edge {
            options = options.edge(shelf.clone(), EDGE_TTL);
        }
        Cache::with_options(client, options)
    }

    /// How old what is served may be.
    fn bound(&self) -> Duration {
        let l1 = if self.l1 { L1_TTL } else { Duration::ZERO };
        l1 + if self.edge { EDGE_TTL + EDGE_LATE } else { Duration::ZERO }
    }

    fn entry(&self) -> EntryOptions {
        let entry = EntryOptions::new(Duration::from_secs(60));
        if self.way == Way::Tag { entry.tags(["t"]) } else { entry }
    }

    async fn write(&self, cache: &Cache, version: u64) -> Result<()> {
        match self.way {
            Way::Delete => cache.delete(&key()).await.map(|_| ()),
            Way::Set => cache.set(&key(), &version, self.entry()).await.map(drop),
            Way::Tag => cache.invalidate_tags(["t"]).await.map(|_| ()),
            Way::Generation => cache.clear().await.map(|_| ()),
            Way::Pattern => cache.delete_matching(&space().pattern()).await.map(|_| ()),
        }
    }
}

fn space() -> Keyspace {
    Keyspace::new(["histories"]).unwrap()
}

fn key() -> Key {
    space().key(["k"]).unwrap()
}

/// The versions whose writes have returned, and when.
#[derive(Default)]
struct Known(Mutex<Vec<(Instant, u64)>>);

impl Known {
    fn add(&self, version: u64) {
        self.0.lock().unwrap().push((Instant::now(), version));
    }

    /// The highest one that was known at this moment.
    fn at(&self, moment: Instant) -> u64 {
        let known = self.0.lock().unwrap();
        known.iter().filter(|(at, _)| *at <= moment).map(|(_, version)| *version).max().unwrap_or(0)
    }
}

/// What a history came to.
#[derive(Debug, Default)]
struct Seen {
    /// Reads that were out of date.
    violations: u64,
    reads: u64,
    /// Those that a tier answered, the last one being Redis.
    l1: u64,
    edge: u64,
    redis: u64,
    refused: u64,
    owed: u64,
}

/// A read of one kind or another; `None` if it tells nothing.
async fn read(cache: &Cache, plan: &Plan, dice: &Dice, database: &AtomicU64) -> Option<u64> {
    let load = || async {
        let value = database.load(Ordering::SeqCst);
        for _ in 0..dice.roll(7).pow(2) * 8 {
            tokio::task::yield_now().await;
        }
        Ok::<_, Infallible>(value)
    };
    match dice.roll(10) {
        0 => cache.get::<u64>(&key()).await.ok()?,
        1 => cache.get_many::<u64>(&[key(), space().key(["none"]).ok()?]).await.ok()?[0],
        2 => {
            let refresh = LoadOptions::new(plan.entry()).refresh();
            cache.get_or_load(&key(), refresh, load).await.ok()
        }
        _ => cache.get_or_load(&key(), plan.entry(), load).await.ok(),
    }
}

/// Runs a history.
async fn run(plan: &Plan, redis: &RedisServer) -> Seen {
    let direct = redis.client();
    direct.flushall().await.unwrap();
    let network = Hostile {
        dice: Dice::new(plan.seed ^ 0x5eed),
        without: plan.without,
        calm: Arc::default(),
    };
    let shelf = Shelf::default();
    let caches: Vec<Cache> = (0..PROCESSES).map(|_| plan.cache(redis, &network, &shelf)).collect();
    let followers: Vec<_> = caches
        .iter()
        .filter(|_| plan.bus && plan.l1)
        .map(|cache| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.follow_invalidations().await })
        })
        .collect();
    let (database, known) = (Arc::new(AtomicU64::new(0)), Arc::new(Known::default()));
    let (done, violations) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reads = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let (cache, plan) = (caches[number % PROCESSES].clone(), plan.clone());
            let (database, known) = (Arc::clone(&database), Arc::clone(&known));
            let (done, violations) = (Arc::clone(&done), Arc::clone(&violations));
            let (dice, reads) = (network.dice.clone(), Arc::clone(&reads));
            tokio::spawn(async move {
                while !done.load(Ordering::SeqCst) {
                    let start = Instant::now();
                    let before = start.checked_sub(plan.bound()).map_or(0, |at| known.at(at));
                    if let Some(seen) = read(&cache, &plan, &dice, &database).await {
                        reads.fetch_add(1, Ordering::SeqCst);
                        violations.fetch_add(u64::from(seen < before), Ordering::SeqCst);
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let (next, owed) = (AtomicU64::new(1), AtomicU64::new(0));
    let write = || async {
        loop {
            let version = next.fetch_add(1, Ordering::SeqCst);
            if version > WRITES {
                return;
            }
            database.fetch_max(version, Ordering::SeqCst);
            // One process writes after the other. Whoever was not told that it is done, tries again, or makes up for it.
            let cache = &caches[network.dice.roll(PROCESSES as u64) as usize];
            let mut tries = 0;
            while let Err(error) = plan.write(cache, version).await {
                tries += 1;
                assert!(tries < 10_000, "{plan:?}: a write never gets through: {error}");
            }
            owed.fetch_add(cache.owed(), Ordering::SeqCst);
            until(async || cache.catch_up().await).await;
            known.add(version);
            if plan.flushes && network.dice.roll(10) == 0 {
                direct.flushall().await.unwrap();
            }
            tokio::time::sleep(Duration::from_micros(network.dice.roll(3000))).await;
        }
    };
    join_all((0..plan.writers).map(|_| write())).await;
    // What is late arrives after the last write, too.
    tokio::time::sleep(LATEST / 2).await;
    network.calm.store(true, Ordering::SeqCst);
    tokio::time::sleep(LATEST).await;
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    followers.iter().for_each(tokio::task::JoinHandle::abort);
    let stats: Vec<_> = caches.iter().map(Cache::stats).collect();
    let l1 = stats.iter().map(|stats| stats.l1_hits).sum();
    let edge = stats.iter().map(|stats| stats.edge_hits).sum();
    let hits: u64 = stats.iter().map(|stats| stats.hits).sum();
    Seen {
        violations: violations.load(Ordering::SeqCst),
        reads: reads.load(Ordering::SeqCst),
        l1,
        edge,
        redis: hits.saturating_sub(l1 + edge),
        refused: stats.iter().map(|stats| stats.refused).sum(),
        owed: owed.load(Ordering::SeqCst),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stack_serves_what_was_invalidated() {
    let redis = RedisServer::start();
    let mut all = Seen::default();
    for seed in seeds(5) {
        let plan = Plan::of(seed);
        let seen = run(&plan, &redis).await;
        let told = || format!("EDGECASK_TEST_SEED={seed}: {plan:?} {seen:?}");
        assert_eq!(seen.violations, 0, "{}", told());
        // A history without reads shows nothing.
        assert!(seen.reads >= READERS as u64, "{}", told());
        all.l1 += seen.l1;
        all.edge += seen.edge;
        all.redis += seen.redis;
        all.refused += seen.refused;
        all.owed += seen.owed;
    }
    if seeds(5).count() >= 5 {
        let tiers = all.l1 > 0 && all.edge > 0 && all.redis > 0;
        assert!(tiers && all.refused > 0 && all.owed > 0, "{:?}: {all:?}", seeds(5));
    }
}

/// Runs histories until one shows what is missing.
async fn finds(way: Way, without: Without) {
    let redis = RedisServer::start();
    let mut violations = 0;
    for seed in 0..40 {
        violations += run(&Plan::bare(seed, way, without), &redis).await.violations;
        if violations > 0 {
            return;
        }
    }
    panic!("these histories do not find that there are no {without:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_that_come_back_are_found() {
    finds(Way::Tag, Without::NewVersions).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_come_back_are_found() {
    finds(Way::Delete, Without::NewTokens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_are_not_fenced_are_found() {
    finds(Way::Set, Without::FencedWrites).await;
}
