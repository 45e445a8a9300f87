//! Leases: who holds one keeps it while he loads, and nobody waits for one that nobody needs any more.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, LoadOptions, Tier, Ttl};
use edgecask::layer::Observe;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{ErrorKind, Key, Keyspace, Outcome, Pattern, Result};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, until};
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::edge::Shelf;
use crate::stampede::{Requests, Source};

const MINUTE: Ttl = Ttl::seconds(60);
const LEASE: &str = "edgecask:lease:{k}";

fn key(name: &str) -> Key {
    Key::verbatim(name).unwrap()
}

async fn one() -> Result<u64, std::io::Error> {
    Ok(1)
}

/// A lease that does not expire while a test runs.
fn long_lease() -> CacheOptions {
    CacheOptions::new().lease(Duration::from_secs(3600))
}

/// Makes the scripts known to the server, so that they cost one round trip from here on.
async fn warm_up(client: Client) {
    let cache = Cache::new(client);
    let tagged = EntryOptions::new(MINUTE).tags(["warm"]);
    cache.set(&key("warm"), &1, tagged.clone()).await.unwrap();
    cache.delete(&key("warm")).await.unwrap();
    cache.get_or_load(&key("warm"), tagged, one).await.unwrap();
    let none = async || Ok::<Option<u64>, std::io::Error>(None);
    let unstored = LoadOptions::new(MINUTE).negative_ttl(None);
    cache.get_or_load(&key("warm too"), unstored, none).await.unwrap();
}

#[tokio::test]
async fn a_value_that_is_not_stored_is_not_waited_for() {
    let (redis, requests) = (RedisServer::start(), Requests::default());
    warm_up(redis.client()).await;
    let caches = [0; 2].map(|_| Cache::new(requests.of(redis.client())));
    let options = LoadOptions::new(MINUTE).negative_ttl(None);
    for cache in [&caches[0], &caches[0], &caches[1]] {
        let none = async || Ok::<Option<u64>, std::io::Error>(None);
        assert_eq!(cache.get_or_load(&key("k"), options.clone(), none).await.unwrap(), None);
        // The read, the lease, its release.
        assert_eq!(requests.taken(), 3);
    }
}

#[tokio::test]
async fn who_goes_away_leaves_no_lease() {
    let (redis, requests) = (RedisServer::start(), Requests::default());
    warm_up(redis.client()).await;
    let cache = || Cache::with_options(requests.of(redis.client()), long_lease());
    let caches = [cache(), cache()];
    for next in &caches {
        let (cache, source) = (caches[0].clone(), Arc::new(Source::default()));
        let first = {
            let source = Arc::clone(&source);
            tokio::spawn(
                async move { cache.get_or_load(&key("k"), MINUTE, || source.load()).await },
            )
        };
        until(async || source.count() == 1).await;
        first.abort();
        until(async || redis.client().exists([LEASE]).await.unwrap() == 0).await;
        requests.taken();
        assert_eq!(next.get_or_load(&key("k"), MINUTE, one).await.unwrap(), 1);
        assert_eq!(requests.taken(), 3, "it does not wait");
        next.delete(&key("k")).await.unwrap();
    }
}

/// How long a key will last.
async fn remaining(client: &Client, key: &str) -> Duration {
    let millis: u64 = client.execute(cmd("PTTL").arg(key)).await.expect("it is held");
    Duration::from_millis(millis)
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_its_load() {
    let redis = RedisServer::start();
    let options = CacheOptions::new().lease(Duration::from_millis(600));
    let one_cache = Cache::with_options(redis.client(), options.clone());
    let many: Vec<Cache> =
        (0..50).map(|_| Cache::with_options(redis.client(), options.clone())).collect();
    for (name, caches) in [("one", vec![one_cache; 50]), ("many", many)] {
        let source = Arc::new(Source::default());
        let calls: Vec<_> = caches
            .into_iter()
            .map(|cache| {
                let source = Arc::clone(&source);
                tokio::spawn(async move {
                    cache.get_or_load(&key(name), MINUTE, || source.load()).await
                })
            })
            .collect();
        until(async || source.count() > 0).await;
        // After three renewals, the load has gone on for longer than a lease lasts.
        let (direct, lease) = (redis.client(), format!("edgecask:lease:{{{name}}}"));
        for _ in 0..3 {
            let mut left = Duration::MAX;
            until(async || {
                let before = std::mem::replace(&mut left, remaining(&direct, &lease).await);
                left > before
            })
            .await;
        }
        source.go_on.notify_one();
        for value in join_all(calls).await {
            assert_eq!(value.unwrap().unwrap(), 42);
        }
        assert_eq!(source.count(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_limit_of_one_caller_is_not_that_of_others() {
    let (cache, source) = (Cache::new(Client::memory()), Arc::new(Source::default()));
    let load = |options: LoadOptions| {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tokio::spawn(async move { cache.get_or_load(&key("k"), options, || source.load()).await })
    };
    let hurried = load(LoadOptions::new(MINUTE).hard_timeout(Duration::from_millis(100)));
    until(async || source.count() == 1).await;
    let patient = load(LoadOptions::new(MINUTE).hard_timeout(None));
    assert_eq!(hurried.await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    until(async || source.count() == 2).await;
    source.go_on.notify_one();
    assert_eq!(patient.await.unwrap().unwrap(), 42);
}

/// A client whose second request has this fault.
fn second_request_fails(server: &Arc<Server>, fault: Fault) -> Client {
    let client = Client::rest(&server.url(), server.token()).unwrap();
    later_requests_fail(client, server, vec![fault])
}

/// The same client, whose requests from the second one on have these faults, one each.
fn later_requests_fail(client: Client, server: &Arc<Server>, faults: Vec<Fault>) -> Client {
    let server: Weak<Server> = Arc::downgrade(server);
    let faults = Mutex::new(faults);
    client.layer(Observe::new().each(move |_| {
        if let Some(server) = server.upgrade() {
            faults.lock().unwrap().drain(..).for_each(|fault| server.inject(fault));
        }
    }))
}

#[tokio::test]
async fn a_lease_whose_answer_is_lost_is_released() {
    let redis = RedisServer::start();
    warm_up(redis.client()).await;
    let server = Arc::new(Server::start(ServerOptions::redis(redis.url())).await.unwrap());
    // By this way the scripts have other names.
    warm_up(Client::rest(&server.url(), server.token()).unwrap()).await;
    let (direct, requests) = (redis.client(), Requests::default());
    let others_load = async || {
        until(async || direct.exists([LEASE]).await.unwrap() == 0).await;
        let other = Cache::new(requests.of(redis.client()));
        assert_eq!(other.get_or_load(&key("k"), MINUTE, one).await.unwrap(), 1);
        assert_eq!(requests.taken(), 3, "it does not wait");
        direct.del(["k"]).await.unwrap();
    };
    // The answer breaks off after the server has done what was asked.
    let cache = Cache::with_options(second_request_fails(&server, Fault::Truncate), long_lease());
    assert_eq!(cache.get_or_load(&key("k"), MINUTE, one).await.unwrap(), 1);
    assert_eq!(cache.stats().errors, 1, "the answer is lost");
    others_load().await;
    // The caller goes away before he hears of it.
    let late = Fault::DelayReply(Duration::from_secs(3600));
    let cache = Cache::with_options(second_request_fails(&server, late), long_lease());
    let call = tokio::spawn(async move { cache.get_or_load(&key("k"), MINUTE, one).await });
    until(async || direct.exists([LEASE]).await.unwrap() == 1).await;
    call.abort();
    others_load().await;
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn the_leases_of_a_long_batch_are_released_though_one_part_of_it_is_lost() {
    let redis = RedisServer::start();
    let (server, client) = patient(&redis).await;
    let direct = redis.client();
    // More than one request takes: the read, the first leases, and the other leases, whose answer breaks off.
    let keys: Vec<Key> = (0..1500).map(|number| key(&format!("b{number}"))).collect();
    let faults = vec![Fault::Delay(Duration::ZERO), Fault::Truncate];
    let cache = Cache::with_options(later_requests_fail(client, &server, faults), long_lease());
    let load = async |keys: Vec<Key>| {
        Ok::<_, std::io::Error>(keys.into_iter().map(|key| (key, 1)).collect::<Vec<_>>())
    };
    let found = cache.get_or_load_many(&keys, MINUTE, load).await.unwrap();
    assert_eq!(found.len(), 1500);
    assert!(cache.stats().errors > 0, "an answer is lost");
    until(async || direct.keys::<String>("edgecask:lease:{b*").await.unwrap().is_empty()).await;
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn misses_cost_what_is_documented() {
    let (redis, requests) = (RedisServer::start(), Requests::default());
    warm_up(redis.client()).await;
    let client = || requests.of(redis.client());
    let cache = Cache::new(client());
    let tagged = |tag: &str| EntryOptions::new(MINUTE).tags([tag]);
    cache.get_or_load(&key("a"), tagged("t"), one).await.unwrap();
    assert_eq!(requests.taken(), 3, "a miss whose tag has no version yet");
    cache.get_or_load(&key("b"), tagged("t"), one).await.unwrap();
    assert_eq!(requests.taken(), 3, "a miss whose tag has one");
    cache.get_or_load(&key("b"), tagged("t"), one).await.unwrap();
    assert_eq!(requests.taken(), 1, "a hit with tags");

    let cache = Cache::with_options(client(), CacheOptions::new().generation("all"));
    cache.get_or_load(&key("c"), MINUTE, one).await.unwrap();
    requests.taken();
    cache.get_or_load(&key("d"), MINUTE, one).await.unwrap();
    assert_eq!(requests.taken(), 3, "a miss in a generation");

    let space = Keyspace::literal("edge");
    let options = CacheOptions::new().keyspace(space).edge(Shelf::new(), Duration::from_secs(60));
    let cache = Cache::with_options(client(), options);
    let name = Keyspace::literal("edge").key("k").unwrap();
    cache.get_or_load(&name, MINUTE, one).await.unwrap();
    assert_eq!(requests.taken(), 3, "a miss behind an edge tier");

    // Who waits reads, and looks until the value is there.
    let (cache, source) = (Cache::new(redis.client()), Arc::new(Source::default()));
    let loads = {
        let source = Arc::clone(&source);
        tokio::spawn(async move { cache.get_or_load(&key("w"), MINUTE, || source.load()).await })
    };
    until(async || source.count() == 1).await;
    let waiter = Cache::new(client());
    let waits = {
        let waiter = waiter.clone();
        tokio::spawn(async move { waiter.get_or_load(&key("w"), MINUTE, one).await })
    };
    until(async || requests.count() >= 2).await;
    source.go_on.notify_one();
    assert_eq!((loads.await.unwrap().unwrap(), waits.await.unwrap().unwrap()), (42, 42));
    assert_eq!((source.count(), waiter.stats().loads), (1, 0));
}

/// Keeps what passes, and holds one round trip up.
#[derive(Debug, Clone)]
struct Step {
    held: usize,
    /// It goes on without its caller, who gets no answer.
    alone: bool,
    arrived: Arc<Notify>,
    begun: Arc<AtomicUsize>,
    sent: Arc<Mutex<Vec<Command>>>,
    go_on: Arc<Notify>,
}

impl Step {
    fn holding(held: usize) -> Self {
        let (arrived, go_on) = (Arc::default(), Arc::default());
        let (begun, sent) = (Arc::default(), Arc::default());
        Self { held, alone: false, arrived, begun, sent, go_on }
    }

    fn is_reached(&self) -> bool {
        self.begun.load(Ordering::SeqCst) > self.held
    }

    /// Delivers all that passed a second time.
    async fn repeat(&self, client: &Client) {
        let sent = self.sent.lock().unwrap().clone();
        client.send_pipeline(&sent).await.unwrap();
    }
}

impl Tap for Step {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            self.sent.lock().unwrap().extend(trip.commands.iter().cloned());
            let is_held = self.begun.fetch_add(1, Ordering::SeqCst) == self.held;
            if is_held && self.alone {
                let (step, inner) = (self.clone(), Arc::clone(trip.inner));
                let commands = trip.commands.to_vec();
                tokio::spawn(async move {
                    step.go_on.notified().await;
                    inner.pipeline(&commands).await.unwrap();
                    step.arrived.notify_one();
                });
                std::future::pending::<()>().await;
            }
            if is_held {
                self.go_on.notified().await;
            }
            trip.go().await
        })
    }
}

/// What begins before an invalidation, and goes on after it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Begun {
    Load,
    LoadMany,
    Set,
}

#[derive(Debug, Clone, Copy)]
enum Later {
    Delete,
    Set,
    Tag,
    Pattern,
    All,
}

const LATER: [Later; 5] = [Later::Delete, Later::Set, Later::Tag, Later::Pattern, Later::All];

fn tagged() -> EntryOptions {
    EntryOptions::new(MINUTE).tags(["t"])
}

fn generation(client: Client) -> Cache {
    let options = CacheOptions::new().generation("g").tier(Tier::Critical);
    Cache::with_options(client, options)
}

/// With a first tier that is outdated for an hour, for all that other processes do.
fn generation_with_l1(client: Client) -> Cache {
    let options = CacheOptions::new().generation("g").tier(Tier::Critical);
    let l1 = L1Options::new().ttl(Duration::from_secs(3600));
    Cache::with_options(client, options.l1(l1))
}

async fn begin(cache: Cache, begun: Begun, database: Arc<Mutex<&'static str>>) {
    match begun {
        Begun::Load => {
            let load = || async { Ok::<_, Infallible>(database.lock().unwrap().to_owned()) };
            cache.get_or_load(&key("k"), tagged(), load).await.map(drop).unwrap();
        }
        Begun::LoadMany => {
            let load = |keys: Vec<Key>| {
                let value = database.lock().unwrap().to_owned();
                async { Ok::<_, Infallible>(keys.into_iter().map(move |key| (key, value.clone()))) }
            };
            cache.get_or_load_many(&[key("k")], tagged(), load).await.map(drop).unwrap();
        }
        Begun::Set => cache.set(&key("k"), "old", tagged()).await.map(drop).unwrap(),
    }
}

async fn invalidate(cache: &Cache, later: Later) {
    match later {
        Later::Delete => drop(cache.delete(&key("k")).await.unwrap()),
        Later::Set => cache.set(&key("k"), "new", tagged()).await.map(drop).unwrap(),
        Later::Tag => drop(cache.invalidate_tags(["t"]).await.unwrap()),
        Later::Pattern => {
            let pattern = Pattern::verbatim("k*").unwrap();
            cache.delete_matching(&pattern).await.map(drop).unwrap();
        }
        Later::All => drop(cache.clear().await.unwrap()),
    }
}

/// A round trip of a load or a write is held up until an invalidation has returned; then all of them arrive again.
/// Tells whether there is such a round trip.
async fn overtaken(direct: &Client, plan: (Begun, Later, bool, bool), held: usize) -> bool {
    let (begun, later, same_process, alone) = plan;
    direct.flushdb().await.unwrap();
    let step = Step { alone, ..Step::holding(held) };
    let database = Arc::new(Mutex::new("old"));
    let tapped = direct.clone().layer(Tapped(step.clone()));
    let (cache, other) = match same_process {
        true => {
            let cache = generation_with_l1(tapped);
            (cache.clone(), cache)
        }
        false => (generation(tapped), generation(direct.clone())),
    };
    let call = tokio::spawn(begin(cache, begun, Arc::clone(&database)));
    until(async || step.is_reached() || call.is_finished()).await;
    let is_reached = step.is_reached();
    // What follows is not held up.
    step.begun.fetch_add(1000, Ordering::SeqCst);
    *database.lock().unwrap() = "new";
    if is_reached && alone {
        call.abort();
    }
    invalidate(&other, later).await;
    step.go_on.notify_one();
    if is_reached && alone {
        step.arrived.notified().await;
    } else {
        call.await.unwrap();
    }
    let seen = async || other.get::<String>(&key("k")).await.unwrap();
    assert_ne!(seen().await.as_deref(), Some("old"), "late: {plan:?}, round trip {held}");
    step.repeat(direct).await;
    assert_ne!(seen().await.as_deref(), Some("old"), "twice: {plan:?}, round trip {held}");
    is_reached
}

#[tokio::test]
async fn what_arrives_late_or_twice_brings_nothing_back() {
    let redis = RedisServer::start();
    let direct = redis.client();
    warm_up(direct.clone()).await;
    for begun in [Begun::Load, Begun::LoadMany, Begun::Set] {
        for later in LATER {
            for (same_process, alone) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let plan = (begun, later, same_process, alone);
                // A write whose first request arrives after another write is the later one.
                let mut held = usize::from(begun == Begun::Set);
                while overtaken(&direct, plan, held).await {
                    held += 1;
                }
                assert!(held > 1, "{plan:?}: there was nothing to hold up");
            }
        }
    }
}

#[tokio::test]
async fn what_is_read_during_an_invalidation_is_forgotten_after_it() {
    let redis = RedisServer::start();
    let direct = redis.client();
    warm_up(direct.clone()).await;
    for later in LATER {
        direct.flushdb().await.unwrap();
        generation(direct.clone()).set(&key("k"), "old", tagged()).await.unwrap();
        let step = Step::holding(0);
        let cache = generation_with_l1(direct.clone().layer(Tapped(step.clone())));
        let invalidation = {
            let cache = cache.clone();
            tokio::spawn(async move { invalidate(&cache, later).await })
        };
        until(async || step.is_reached()).await;
        // Redis does not know of it yet.
        assert_eq!(cache.get::<String>(&key("k")).await.unwrap().as_deref(), Some("old"));
        step.go_on.notify_one();
        invalidation.await.unwrap();
        let seen = cache.get::<String>(&key("k")).await.unwrap();
        assert_ne!(seen.as_deref(), Some("old"), "{later:?}");
    }
}

/// A load that takes its lease between the two deletions would store a value of before.
#[tokio::test]
async fn leases_are_deleted_before_entries() {
    let redis = RedisServer::start();
    for later in [Later::Delete, Later::Pattern] {
        let cache = Cache::new(redis.client());
        let guard = cache.begin_store(&key("k"), MINUTE).await.unwrap();
        redis.client().set("k", "old").await.unwrap();
        let step = Step::holding(usize::MAX);
        invalidate(&Cache::new(redis.client().layer(Tapped(step.clone()))), later).await;
        let sent = step.sent.lock().unwrap();
        let deleted = sent.iter().filter(|command| command.name() == "UNLINK");
        let deleted: Vec<&[u8]> = deleted.flat_map(|command| command.args()).collect();
        assert_eq!(deleted, [LEASE.as_bytes(), b"k"], "{later:?}");
        drop(guard);
    }
}

#[tokio::test]
async fn an_invalidation_that_arrives_twice_brings_no_version_back() {
    let redis = RedisServer::start();
    let direct = redis.client();
    warm_up(direct.clone()).await;
    let cache = generation(direct.clone());
    for later in [Later::Tag, Later::All] {
        let step = Step::holding(usize::MAX);
        invalidate(&generation(direct.clone().layer(Tapped(step.clone()))), later).await;
        cache.set(&key("k"), "old", tagged()).await.unwrap();
        invalidate(&cache, later).await;
        assert_eq!(cache.get::<String>(&key("k")).await.unwrap(), None, "{later:?}");
        step.repeat(&direct).await;
        assert_eq!(cache.get::<String>(&key("k")).await.unwrap(), None, "{later:?}, twice");
    }
}

/// A server over a Redis, and a client of it whose calls take as long as a busy machine needs.
async fn patient(redis: &RedisServer) -> (Arc<Server>, Client) {
    let server = Arc::new(Server::start(ServerOptions::redis(redis.url())).await.unwrap());
    let client = Client::builder().url(server.url()).token(server.token());
    let client = client.deadline(Duration::from_secs(60)).build().unwrap();
    warm_up(client.clone()).await;
    (server, client)
}

/// The leases that are held. What was written leaves a mark, which is none.
async fn held(client: &Client, pattern: &str) -> Vec<String> {
    let keys: Vec<String> = client.keys(pattern).await.unwrap();
    if keys.is_empty() {
        return keys;
    }
    let leases: Vec<Option<String>> = client.mget(&keys).await.unwrap();
    leases.into_iter().flatten().filter(|lease| !lease.starts_with('=')).collect()
}

/// A cache in a tier, and how it writes. Only in [`Tier::Critical`] nothing is owed, so that no later deletion takes the
/// leases along.
fn writers(client: &Client) -> [(Cache, EntryOptions, Tier); 3] {
    [
        (Tier::Important, MINUTE.into()),
        (Tier::Critical, MINUTE.into()),
        (Tier::Critical, EntryOptions::new(MINUTE).tags(["t", "u"])),
    ]
    .map(|(tier, entry): (_, EntryOptions)| {
        let cache = Cache::with_options(client.clone(), long_lease().tier(tier));
        (cache, entry, tier)
    })
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_leaves_no_lease() {
    let redis = RedisServer::start();
    let (server, client) = patient(&redis).await;
    let direct = redis.client();
    for (cache, entry, tier) in writers(&client) {
        // The answer breaks off after the server has done what was asked.
        server.inject(Fault::Truncate);
        let written = cache.set(&key("k"), &1, entry.clone()).await;
        match tier {
            Tier::Critical => assert_eq!(written.unwrap_err().outcome(), Outcome::Unknown),
            _ => assert!(written.unwrap().is_owed()),
        }
        until(async || held(&direct, LEASE).await.is_empty()).await;
        assert!(cache.catch_up().await);
        cache.set(&key("k"), &1, entry).await.unwrap();
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn a_write_that_goes_away_leaves_no_lease() {
    let redis = RedisServer::start();
    let (server, client) = patient(&redis).await;
    let direct = redis.client();
    for (cache, entry, _) in writers(&client) {
        // The caller goes away before he hears of it.
        server.inject(Fault::DelayReply(Duration::from_secs(3600)));
        let call = {
            let cache = cache.clone();
            tokio::spawn(async move { cache.set(&key("k"), &1, entry).await })
        };
        until(async || held(&direct, LEASE).await.len() == 1).await;
        call.abort();
        until(async || held(&direct, LEASE).await.is_empty()).await;
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn the_leases_of_a_long_write_are_released_though_one_part_of_it_is_lost() {
    const MANY: usize = 1500;
    let redis = RedisServer::start();
    let (server, client) = patient(&redis).await;
    let direct = redis.client();
    let keys: Vec<Key> = (0..MANY).map(|number| key(&format!("b{number}"))).collect();
    let cache = Cache::with_options(client, long_lease().tier(Tier::Critical));
    // The first leases come; the answer with the others breaks off.
    server.inject(Fault::Delay(Duration::ZERO));
    server.inject(Fault::Truncate);
    let error = cache.set_many(keys.iter().map(|key| (key, &1)), MINUTE).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown);
    until(async || held(&direct, "edgecask:lease:{b*").await.is_empty()).await;
    // The others are stored, as the errors of `set_many` say.
    let stored = direct.keys::<String>("b*").await.unwrap().len();
    assert!(stored > 0 && stored < MANY, "{stored}");
    Arc::into_inner(server).unwrap().stop().await;
}
