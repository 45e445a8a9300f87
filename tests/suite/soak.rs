//! All layers at once around a cache with tags, a first tier and a bus, over TCP and REST, while connections are cut and
//! Redis is killed and comes back: memory stays flat, every call ends within its deadline, and nothing is owed at the end.
//!
//! It takes a few seconds; `EDGECASK_TEST_SOAK_SECONDS=1800` makes it half an hour, `EDGECASK_TEST_SEED=7` gives the seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options};
use edgecask::layer::{
    AutoPipeline, CircuitBreaker, Fallback, KeyPrefix, Observe, RequestBudget, Retry,
};
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{Client, ErrorKind, Key, Keyspace};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{Dice, RedisServer, free_port, number};

use crate::seeded::{Proxy, again, finished, resident_kib};

const NAME: &str = "soak::everything_holds_while_redis_comes_and_goes";
const CHILD: &str = "EDGECASK_TEST_SOAKED";
const DEADLINE: Duration = Duration::from_secs(2);
/// How late the runtime of a busy machine may be to end a call.
const LATE: Duration = Duration::from_secs(4);
/// What a call of a cache may wait for besides its own look, lease and storing, each a call of the client: what is owed to
/// Redis, in four steps of its own or of somebody else, and another one's load of the same key, which does as much.
const CALLS_OF_A_CACHE: u32 = 2 * (4 + 3);
const KEYS: u64 = 300;
const TASKS: u64 = 6;
/// What a run may add in KiB after its first fifth: the allocator keeps some of what it had.
const GROWTH: u64 = 24 * 1024;

fn key(number: u64) -> Key {
    Keyspace::new(["soak"]).unwrap().key([format!("k{number}")]).unwrap()
}

fn layered(builder: edgecask::ClientBuilder) -> Client {
    builder
        .retry(Retry::new().base(Duration::from_millis(2)))
        .circuit_breaker(CircuitBreaker::new().failures(20).open_for(Duration::from_millis(20)))
        .auto_pipeline(AutoPipeline::new())
        .fallback(Fallback::to(MemoryTransport::new()))
        .request_budget(RequestBudget::new().requests(u64::MAX).connections(100))
        .observe(Observe::new().each(|_| {}))
        .layer(KeyPrefix::new("soak:"))
        .deadline(Duration::from_millis(500))
        .total_deadline(DEADLINE)
        .allow_http(true)
        .build()
        .unwrap()
}

/// The longest call of a client and of a cache, in milliseconds, and how many there were.
#[derive(Debug, Default)]
struct Calls {
    longest_of_client: AtomicU64,
    longest_of_cache: AtomicU64,
    count: AtomicU64,
    failed: AtomicU64,
}

impl Calls {
    async fn of_client<T>(&self, call: impl Future<Output = edgecask::Result<T>>) {
        self.time(&self.longest_of_client, call).await;
    }

    async fn of_cache<T>(&self, call: impl Future<Output = edgecask::Result<T>>) {
        self.time(&self.longest_of_cache, call).await;
    }

    async fn time<T>(&self, longest: &AtomicU64, call: impl Future<Output = edgecask::Result<T>>) {
        let start = Instant::now();
        if let Err(error) = call.await {
            assert_ne!(error.kind(), ErrorKind::InvalidInput, "{error}");
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        longest.fetch_max(start.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn work(cache: Cache, dice: Dice, calls: Arc<Calls>, done: Arc<AtomicBool>) {
    while !done.load(Ordering::SeqCst) {
        let key = key(dice.roll(KEYS));
        let tag = format!("t{}", dice.roll(10));
        let entry = EntryOptions::new(Duration::from_secs(30)).tags([tag.clone()]);
        let value = "v".repeat(1 + dice.roll(2000) as usize);
        match dice.roll(12) {
            0 => calls.of_cache(cache.delete(&key)).await,
            1 => calls.of_cache(cache.set(&key, &value, entry)).await,
            2 => calls.of_cache(cache.invalidate_tags([tag])).await,
            3 => calls.of_client(cache.client().incr("count")).await,
            4 => {
                let pipeline = cache.client().pipeline();
                let _ = pipeline.set("a", &value);
                let _ = pipeline.get::<String>("b");
                calls.of_client(pipeline.exec()).await;
            }
            _ => {
                let load = || async { Ok::<_, std::convert::Infallible>(value.clone()) };
                calls.of_cache(cache.get_or_load(&key, entry, load)).await;
            }
        }
        tokio::time::sleep(Duration::from_micros(dice.roll(2000))).await;
    }
}

async fn soak(seconds: u64, seed: u64) {
    let dice = Dice::new(seed);
    let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut redis = RedisServer::durable(port, directory.path());
    let proxy = Proxy::to(port, dice.clone(), 400).await;
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let clients = [
        layered(Client::builder().url(format!("redis://127.0.0.1:{}", proxy.port))),
        layered(Client::builder().url(server.url()).token(server.token())),
    ];
    let caches = clients.map(|client| {
        let l1 = L1Options::new().ttl(Duration::from_millis(200)).bytes(1 << 20);
        Cache::with_options(client, CacheOptions::new().l1(l1).bus("soak"))
    });
    let (calls, done) = (Arc::new(Calls::default()), Arc::new(AtomicBool::new(false)));
    let followers: Vec<_> = caches
        .iter()
        .map(|cache| {
            let cache = cache.clone();
            tokio::spawn(async move {
                loop {
                    let _ = cache.follow_invalidations().await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let cache = caches[number as usize % caches.len()].clone();
            tokio::spawn(work(cache, dice.clone(), Arc::clone(&calls), Arc::clone(&done)))
        })
        .collect();
    let length = Duration::from_secs(seconds);
    let (start, mut warm, mut restarts) = (Instant::now(), None, 0);
    while start.elapsed() < length {
        tokio::time::sleep(Duration::from_millis(500 + dice.roll(1500))).await;
        drop(redis);
        tokio::time::sleep(Duration::from_millis(dice.roll(200))).await;
        redis = RedisServer::durable(port, directory.path());
        restarts += 1;
        if warm.is_none() && start.elapsed() > length / 5 {
            warm = Some(resident_kib().0);
        }
    }
    done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    proxy.calm();
    for cache in &caches {
        let limit = Instant::now() + Duration::from_secs(60);
        while !(cache.catch_up().await && cache.owed() == 0) {
            assert!(Instant::now() < limit, "{} are owed in the end", cache.owed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let (end, most) = resident_kib();
    let warm = warm.expect("it ran long enough to warm up");
    let [of_client, of_cache] = [&calls.longest_of_client, &calls.longest_of_cache]
        .map(|longest| Duration::from_millis(longest.load(Ordering::Relaxed)));
    let told = format!(
        "EDGECASK_TEST_SEED={seed}: {seconds} s, {} calls, {} failed, {restarts} restarts, longest {of_client:?} \
         of a client and {of_cache:?} of a cache, resident {warm} KiB warm, {end} KiB at the end, {most} KiB at most",
        calls.count.load(Ordering::Relaxed),
        calls.failed.load(Ordering::Relaxed),
    );
    eprintln!("{told}");
    assert!(end < warm + GROWTH, "memory grew: {told}");
    assert!(of_client < DEADLINE + LATE, "a call of a client was not ended: {told}");
    let limit = DEADLINE * CALLS_OF_A_CACHE + LATE;
    assert!(of_cache < limit, "a call of a cache was not ended: {told}");
    assert!(calls.count.load(Ordering::Relaxed) >= TASKS, "{told}");
    followers.iter().for_each(tokio::task::JoinHandle::abort);
    server.stop().await;
}

/// In a process of its own, so that the memory is that of no other test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_holds_while_redis_comes_and_goes() {
    let seconds = number("EDGECASK_TEST_SOAK_SECONDS").unwrap_or(5);
    let seed = number("EDGECASK_TEST_SEED").unwrap_or(1);
    if number(CHILD).is_some() {
        return soak(seconds, seed).await;
    }
    let mut process = again(NAME, &[(CHILD, "1".to_owned())]);
    finished(process.stdout(std::process::Stdio::piped()).spawn().unwrap()).await;
}
