//! Interleavings of readers, writers, invalidations and lost answers: whoever asks after an invalidation has returned sees
//! what was written before it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, Tier};
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Key, Keyspace, Result, Value, platform::BoxFuture};
use edgecask_server::{Fault, FaultPlan, Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip};

const READERS: usize = 8;
const WRITES: u64 = 400;
const MOST_WRITES: u64 = 20_000;
/// How many reads between writes a history has to have.
const READS: u64 = 1000;
/// How many loads have to be overtaken by an invalidation for a history to show anything.
const OVERTAKEN: u64 = 20;

/// How a writer invalidates.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Key,
    Tag,
    Pattern,
    Generation,
}

impl Way {
    fn cache(self, client: Client) -> Cache {
        let options = CacheOptions::new().tier(Tier::Critical).lease_wait(Duration::ZERO);
        Cache::with_options(
            client,
            match self {
                Self::Generation => options.generation("histories"),
                _ => options,
            },
        )
    }

    fn entry(self) -> EntryOptions {
        let entry = EntryOptions::new(Duration::from_secs(60));
        if self == Self::Tag { entry.tags(["t"]) } else { entry }
    }

    async fn invalidate(self, cache: &Cache) -> Result<()> {
        match self {
            Self::Key => cache.delete(&key()).await.map(|_| ()),
            Self::Tag => cache.invalidate_tags(["t"]).await.map(|_| ()),
            Self::Pattern => cache.delete_matching(&space().pattern()).await.map(|_| ()),
            Self::Generation => cache.clear().await.map(|_| ()),
        }
    }
}

fn space() -> Keyspace {
    Keyspace::new(["histories"]).unwrap()
}

fn key() -> Key {
    space().key(["k"]).unwrap()
}

/// What a history came to.
#[derive(Debug)]
struct Told {
    /// Reads that gave less than was known to be written when they began.
    violations: u64,
    reads: u64,
    overtaken: u64,
    failed: u64,
}

/// Readers and a writer in two processes, until enough loads were overtaken.
async fn history(way: Way, clients: [Client; 2]) -> Told {
    let [first, second] = clients.map(|client| way.cache(client));
    let database = Arc::new(AtomicU64::new(0));
    let (known, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (violations, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let seen = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..READERS)
        .map(|number| {
            let cache = if number % 2 == 0 { &first } else { &second }.clone();
            let (database, known, done) =
                (Arc::clone(&database), Arc::clone(&known), Arc::clone(&done));
            let (violations, failed) = (Arc::clone(&violations), Arc::clone(&failed));
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut reads = number as u64;
                while !done.load(Ordering::SeqCst) {
                    reads += 1;
                    let before = known.load(Ordering::SeqCst);
                    let load = || async {
                        let value = database.load(Ordering::SeqCst);
                        // From not at all to far beyond a write's round trip.
                        for _ in 0..(reads % 7).pow(2) * 8 {
                            tokio::task::yield_now().await;
                        }
                        Ok::<_, Infallible>(value)
                    };
                    let read = cache.get_or_load(&key(), way.entry(), load).await;
                    seen.fetch_add(1, Ordering::SeqCst);
                    match read {
                        Ok(seen) if seen < before => {
                            violations.fetch_add(1, Ordering::SeqCst);
                        }
                        Ok(_) => {}
                        Err(_) => {
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            })
        })
        .collect();
    let overtaken = || first.stats().refused + second.stats().refused;
    for version in 1..=MOST_WRITES {
        database.store(version, Ordering::SeqCst);
        // Whoever was not told that it is done, tries again.
        let mut attempts = 0;
        while let Err(error) = way.invalidate(&first).await {
            attempts += 1;
            assert!(attempts < 10_000, "{error}");
            failed.fetch_add(1, Ordering::SeqCst);
        }
        known.store(version, Ordering::SeqCst);
        for _ in 0..version % 5 * 20 {
            tokio::task::yield_now().await;
        }
        let shows = overtaken() >= OVERTAKEN && seen.load(Ordering::SeqCst) >= READS;
        let enough = shows || violations.load(Ordering::SeqCst) > 0;
        if version >= WRITES && enough {
            break;
        }
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    Told {
        violations: violations.load(Ordering::SeqCst),
        reads: seen.load(Ordering::SeqCst),
        overtaken: overtaken(),
        failed: failed.load(Ordering::SeqCst),
    }
}

fn holds(way: Way, told: &Told) {
    assert_eq!(told.violations, 0, "{way:?}: {told:?}");
    let shows = told.reads >= READS && told.overtaken >= OVERTAKEN;
    assert!(shows, "{way:?} shows nothing: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_invalidating_holds() {
    for way in [Way::Key, Way::Tag, Way::Pattern, Way::Generation] {
        let redis = RedisServer::start();
        holds(way, &history(way, [redis.client(), redis.client()]).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_change_nothing() {
    for way in [Way::Key, Way::Tag, Way::Generation] {
        let redis = RedisServer::start();
        let faults =
            FaultPlan::seeded(11).rate(Fault::DropBefore, 0.05).rate(Fault::DropAfter, 0.05);
        let options = ServerOptions::redis(redis.url()).faults(faults);
        let server = Server::start(options).await.unwrap();
        let client = || Client::rest(&server.url(), server.token()).unwrap();
        let told = history(way, [client(), client()]).await;
        holds(way, &told);
        assert!(told.failed > 10, "{told:?}");
        server.stop().await;
    }
}

/// Stores without looking at the lease.
#[derive(Debug)]
struct WithoutTheCheck;

impl Tap for WithoutTheCheck {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let [command] = trip.commands else { return trip.go().await };
            let args: Vec<&[u8]> = command.args().collect();
            if let ("EVALSHA" | "EVAL", [_, _, entry, _, _, value, ttl, _]) =
                (command.name(), &args[..])
            {
                let set = Command::new("SET").arg(entry).arg(value).arg("PX").arg(ttl);
                trip.inner.send(&set).await?;
                return Ok(vec![Ok(Value::Integer(1))]);
            }
            trip.go().await
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_check_a_history_shows_it() {
    let redis = RedisServer::start();
    let client = || redis.client().layer(Tapped(WithoutTheCheck));
    let told = history(Way::Key, [client(), client()]).await;
    assert!(told.violations > 0, "these histories would not find a stale set: {told:?}");
}
