//! Redis is away: nothing fails for it, nothing out of date is believed, and what it missed is made up for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, LoadOptions, Tier, Ttl};
use edgecask::command::keys::{Cursor, ScanOptions};
use edgecask::layer::Fallback;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::{Capabilities, Results};
use edgecask::{Error, ErrorKind, Key, Keyspace, Result};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, free_port, until};
use tokio::sync::Semaphore;

const MINUTE: Duration = Duration::from_secs(60);

fn space() -> Keyspace {
    Keyspace::new(["outage"]).unwrap()
}

fn key(name: &str) -> Key {
    space().key([name]).unwrap()
}

async fn gateway(redis: &RedisServer, port: u16) -> Server {
    let options = ServerOptions::redis(redis.url()).token("t").port(port);
    Server::start(options).await.unwrap()
}

fn port_of(server: &Server) -> u16 {
    server.url().rsplit(':').next().unwrap().parse().unwrap()
}

/// A cache after an outage.
struct After {
    cache: Cache,
    /// Past the gateway.
    direct: Client,
    _servers: (RedisServer, Server),
}

/// A cache behind a gateway that goes and comes back, while Redis keeps what it has.
async fn while_away(options: CacheOptions, during: impl AsyncFn(&Cache)) -> After {
    let redis = RedisServer::start();
    let server = gateway(&redis, free_port()).await;
    let cache = Cache::with_options(Client::rest(&server.url(), "t").unwrap(), options);
    for name in ["a", "b", "c"] {
        let tagged = EntryOptions::new(MINUTE).tags([format!("tag of {name}")]);
        cache.set(&key(name), "old", tagged).await.unwrap();
    }
    let port = port_of(&server);
    server.stop().await;
    during(&cache).await;
    let server = gateway(&redis, port).await;
    After { cache, direct: redis.client(), _servers: (redis, server) }
}

async fn new() -> std::io::Result<String> {
    Ok("new".to_owned())
}

#[tokio::test]
async fn nothing_fails_and_nothing_old_is_believed() {
    let After { cache, direct, _servers } = while_away(CacheOptions::new(), async |cache| {
        assert_eq!(cache.get::<String>(&key("a")).await.unwrap(), None);
        assert_eq!(cache.get_or_load(&key("a"), MINUTE, new).await.unwrap(), "new");
        cache.set(&key("a"), "newer", MINUTE).await.unwrap();
        let deleted = cache.delete(&key("b")).await.unwrap();
        assert_eq!((deleted.count(), deleted.is_owed()), (0, true));
        assert!(cache.invalidate_tags(["tag of c"]).await.unwrap().is_owed());
        assert_eq!(cache.owed(), 3);
        let error = cache.set(&key("a"), "v", Duration::ZERO).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "a mistake is still one");
    })
    .await;
    // The first read after the outage makes Redis catch up before it believes anything.
    let names = ["a", "b", "c"].map(key);
    assert_eq!(cache.get_many::<String>(&names).await.unwrap(), [None, None, None]);
    assert_eq!(direct.exists([key("a"), key("b")]).await.unwrap(), 0);
    assert!(cache.catch_up().await && cache.owed() == 0);
    cache.set(&key("a"), "newest", MINUTE).await.unwrap();
    assert_eq!(cache.get::<String>(&key("a")).await.unwrap().as_deref(), Some("newest"));
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_without_being_asked() {
    let After { cache: _cache, direct, _servers } =
        while_away(CacheOptions::new(), async |cache| {
            cache.delete_many(&["a", "b", "c"].map(key)).await.unwrap();
        })
        .await;
    until(async || direct.exists(["a", "b", "c"].map(key)).await.unwrap() == 0).await;
}

#[tokio::test]
async fn too_many_tags_are_refused_and_those_before_are_not_forgotten() {
    // Also where the cache could be cleared: tags reach the entries of other caches.
    for options in [
        CacheOptions::new().keyspace(space()),
        CacheOptions::new().generation("outage").keyspace(space()),
    ] {
        let After { cache, direct, _servers } = while_away(options, async |cache| {
            assert!(cache.invalidate_tags(["tag of a"]).await.unwrap().is_owed());
            let many = (0..10_000).map(|number| format!("tag {number}"));
            let error = cache.invalidate_tags(many).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            // Keys beyond 10 000 are kept, not replaced by the whole cache.
            let many: Vec<Key> = (0..11_000).map(|number| key(&format!("x{number}"))).collect();
            assert!(cache.delete_many(&many).await.unwrap().is_owed());
        })
        .await;
        until(async || cache.catch_up().await).await;
        let another = Cache::new(direct);
        assert_eq!(another.get::<String>(&key("a")).await.unwrap(), None);
        assert_eq!(cache.get::<String>(&key("b")).await.unwrap().as_deref(), Some("old"));
    }
}

/// A way to Redis that can be cut, and on which each page of a walk waits to be let through.
#[derive(Debug, Clone)]
struct Gate {
    cut: Arc<AtomicBool>,
    pages: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { cut: Arc::default(), pages: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }

    async fn pass(&self, commands: &[Command]) -> Result<()> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Connect, "no route"));
        }
        for _ in commands.iter().filter(|command| command.name() == "SCAN") {
            self.open.acquire().await.unwrap().forget();
            self.pages.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Tap for Gate {
    /// It says nothing of a fallback, as a layer that knows of none.
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        inner.falls_back(false)
    }

    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            self.pass(trip.commands).await?;
            trip.go().await
        })
    }
}

#[tokio::test]
async fn no_call_waits_for_a_walk_through_all_keys() {
    let redis = RedisServer::start();
    let direct = redis.client();
    let many: Vec<Key> = (0..5000).map(|number| key(&format!("x{number}"))).collect();
    direct.mset(many.iter().map(|key| (key, "\"old\""))).await.unwrap();
    let gate = Gate::new();
    let cache = Cache::new(redis.client().layer(Tapped(gate.clone())));
    gate.cut.store(true, Ordering::SeqCst);
    // The retries in the background never run.
    let owed = cache.wait_until(|_| {}).delete_matching(&space().pattern()).await.unwrap();
    assert!(owed.is_owed());
    gate.cut.store(false, Ordering::SeqCst);
    gate.open.add_permits(6);
    // The first read makes four steps; the background makes two, and waits.
    let read = async || {
        let read = tokio::time::timeout(MINUTE, cache.get::<String>(&many[0]));
        assert_eq!(read.await.expect("a read waits for the walk").unwrap(), None);
    };
    read().await;
    until(async || gate.pages.load(Ordering::SeqCst) >= 6).await;
    for _ in 0..100 {
        read().await;
    }
    let most = 2 * pages_of(&direct).await + 3;
    gate.open.add_permits(1000);
    until(async || cache.catch_up().await).await;
    assert_eq!(direct.exists(&many[..]).await.unwrap(), 0);
    let pages = gate.pages.load(Ordering::SeqCst);
    assert!(pages <= most, "{pages} pages, {most} at the most: the walk began again");
}

/// How many pages a walk through all keys has.
async fn pages_of(client: &Client) -> usize {
    let options = ScanOptions::new().count(500);
    let (mut cursor, mut pages) = (Cursor::default(), 0);
    loop {
        cursor = client.scan::<Bytes>(&cursor, &options).await.unwrap().cursor;
        pages += 1;
        if cursor.is_done() {
            return pages;
        }
    }
}

/// Asks for what is owed at each line of the log.
#[derive(Default)]
struct Asking(Arc<Mutex<Option<Cache>>>);

impl tracing::Subscriber for Asking {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target().starts_with("edgecask::cache")
            && let Some(cache) = &*self.0.lock().unwrap()
        {
            // It would wait for itself.
            let owed = cache.clone();
            let (told, hears) = std::sync::mpsc::channel();
            std::thread::spawn(move || told.send(owed.owed()));
            hears.recv_timeout(MINUTE).expect("a line is logged under a lock");
        }
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_log_may_ask_what_is_owed() {
    let asking = Asking::default();
    let asked = Arc::clone(&asking.0);
    let _guard = tracing::subscriber::set_default(asking);
    let redis = RedisServer::start();
    let gate = Gate::new();
    let cache = Cache::new(redis.client().layer(Tapped(gate.clone())));
    *asked.lock().unwrap() = Some(cache.clone());
    gate.cut.store(true, Ordering::SeqCst);
    for names in [["a", "b"], ["b", "c"]] {
        assert!(cache.delete_many(&names.map(key)).await.unwrap().is_owed());
    }
    assert!(!cache.catch_up().await);
    gate.cut.store(false, Ordering::SeqCst);
    assert!(cache.catch_up().await);
    *asked.lock().unwrap() = None;
}

#[tokio::test]
async fn nothing_is_dropped_that_cannot_be_cleared() {
    const MANY: usize = 20_000;
    let name = |number: usize| key(&format!("x{number}"));
    let many: Vec<Key> = (0..MANY).map(name).collect();
    let redis = RedisServer::start();
    let direct = redis.client();
    for keys in many.chunks(1000) {
        direct.mset(keys.iter().map(|key| (key, "\"old\""))).await.unwrap();
    }
    direct.set("another's", "data").await.unwrap();
    let server = gateway(&redis, free_port()).await;
    let cache = Cache::new(Client::rest(&server.url(), "t").unwrap());
    let port = port_of(&server);
    server.stop().await;
    for keys in many.chunks(1000) {
        assert!(cache.delete_many(keys).await.unwrap().is_owed());
    }
    assert_eq!(cache.owed(), MANY as u64);
    let server = gateway(&redis, port).await;
    // Until Redis has caught up, nothing is believed; and then nothing old is there.
    let mut next = 0;
    until(async || {
        let caught_up = cache.owed() == 0;
        assert_eq!(cache.get::<String>(&name(next % MANY)).await.unwrap(), None);
        next += 4999;
        caught_up
    })
    .await;
    assert_eq!(direct.exists(&many[..]).await.unwrap(), 0);
    assert_eq!(direct.get::<String>("another's").await.unwrap().as_deref(), Some("data"));
    server.stop().await;
}

#[tokio::test]
async fn what_a_dropped_cache_owes_is_made_up_for() {
    let redis = RedisServer::start();
    let (direct, server) = (redis.client(), gateway(&redis, free_port()).await);
    let port = port_of(&server);
    direct.set(key("a"), "\"old\"").await.unwrap();
    let client = Client::rest(&server.url(), "t").unwrap();
    server.stop().await;
    // As at the end of a request.
    assert!(Cache::new(client).delete(&key("a")).await.unwrap().is_owed());
    let server = gateway(&redis, port).await;
    until(async || direct.exists([key("a")]).await.unwrap() == 0).await;
    server.stop().await;
}

#[tokio::test]
async fn the_next_call_of_any_kind_makes_up_for_what_was_missed() {
    type Next = fn(&Cache) -> edgecask::platform::BoxFuture<'_, ()>;
    let calls: [Next; 5] = [
        |cache| {
            Box::pin(async {
                let _ = cache.set(&key("other"), &1, MINUTE).await.unwrap();
            })
        },
        |cache| Box::pin(async { assert!(!cache.delete(&key("other")).await.unwrap().is_owed()) }),
        |cache| Box::pin(async { assert!(!cache.invalidate_tags(["x"]).await.unwrap().is_owed()) }),
        |cache| {
            let pattern = edgecask::Pattern::verbatim("other*").unwrap();
            Box::pin(async move { assert!(cache.delete_matching(&pattern).await.is_ok()) })
        },
        |cache| Box::pin(async { assert_eq!(cache.get::<u8>(&key("other")).await.unwrap(), None) }),
    ];
    for next in calls {
        let After { cache, direct, _servers } = while_away(CacheOptions::new(), async |cache| {
            // A background that never runs.
            let cache = cache.wait_until(|_| {});
            assert!(cache.delete(&key("a")).await.unwrap().is_owed());
        })
        .await;
        next(&cache).await;
        assert_eq!(direct.exists([key("a")]).await.unwrap(), 0);
        assert_eq!(cache.owed(), 0);
    }
}

#[tokio::test]
async fn what_is_written_after_an_outage_stays() {
    for by_guard in [false, true] {
        let After { cache, _servers, .. } = while_away(CacheOptions::new(), async |cache| {
            let cache = cache.wait_until(|_| {});
            assert!(cache.delete_many(&["a", "b"].map(key)).await.unwrap().is_owed());
        })
        .await;
        if by_guard {
            let guard = cache.begin_store(&key("a"), MINUTE).await.unwrap().unwrap();
            assert!(guard.store("new").await.unwrap());
        } else {
            cache.set(&key("a"), "new", MINUTE).await.unwrap();
        }
        assert_eq!(cache.owed(), 0, "a write makes up for the others");
        assert_eq!(cache.get::<String>(&key("a")).await.unwrap().as_deref(), Some("new"));
        assert_eq!(cache.get::<String>(&key("b")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_deleted_while_it_is_made_does_not_stay() {
    let redis = RedisServer::start();
    let server = gateway(&redis, free_port()).await;
    let port = port_of(&server);
    let client = Client::rest(&server.url(), "t").unwrap();
    let cache = Cache::new(client).wait_until(|_| {});
    let guard = cache.begin_store(&key("a"), MINUTE).await.unwrap().unwrap();
    server.stop().await;
    assert!(cache.delete(&key("a")).await.unwrap().is_owed());
    let server = gateway(&redis, port).await;
    // Redis does not know of the deletion yet, and takes the value.
    assert!(guard.store("old").await.unwrap());
    assert_eq!(cache.get::<String>(&key("a")).await.unwrap(), None);
    server.stop().await;
}

#[tokio::test]
async fn a_fallback_does_not_hide_what_redis_misses() {
    does_not_hide(|client| client).await;
    // Nor does a layer above it.
    let gate = Gate::new();
    gate.open.add_permits(1000);
    does_not_hide(|client| client.layer(Tapped(gate))).await;
}

async fn does_not_hide(layered: impl FnOnce(Client) -> Client) {
    let redis = RedisServer::start();
    let server = gateway(&redis, free_port()).await;
    let port = port_of(&server);
    let client = Client::rest(&server.url(), "t").unwrap();
    let client = layered(client.layer(Fallback::to(MemoryTransport::new())));
    let cache = Cache::with_options(client.clone(), CacheOptions::new());
    for name in ["a", "b"] {
        let tagged = EntryOptions::new(MINUTE).tags([format!("tag of {name}")]);
        cache.set(&key(name), "old", tagged).await.unwrap();
    }
    server.stop().await;
    client.set("counter", "falls back").await.unwrap();
    cache.client().set("counter", "so does the caller's own client").await.unwrap();
    assert!(cache.delete(&key("a")).await.unwrap().is_owed());
    assert!(cache.invalidate_tags(["tag of b"]).await.unwrap().is_owed());
    assert!(cache.delete_matching(&space().pattern()).await.unwrap().is_owed());
    assert_eq!(cache.get_or_load(&key("a"), MINUTE, new).await.unwrap(), "new");
    let server = gateway(&redis, port).await;
    let names = ["a", "b"].map(key);
    assert_eq!(cache.get_many::<String>(&names).await.unwrap(), [None, None]);
    server.stop().await;
}

#[tokio::test]
async fn the_last_resort_is_not_what_another_process_invalidated() {
    let redis = RedisServer::start();
    let options = CacheOptions::new().l1(L1Options::new().ttl(Duration::from_millis(1)));
    let cache = Cache::with_options(redis.client(), options);
    let entry = EntryOptions::new(MINUTE).stale_if_error(Duration::from_secs(3600)).tags(["t"]);
    let load = LoadOptions::new(entry);
    let failing = || async { Err::<String, _>("the database is away") };
    let other = Cache::new(redis.client());
    for by_tag in [false, true] {
        let found = async || Ok::<_, std::io::Error>("old".to_owned());
        assert_eq!(cache.get_or_load(&key("x"), load.clone(), found).await.unwrap(), "old");
        match by_tag {
            true => other.invalidate_tags(["t"]).await.unwrap(),
            false => other.delete(&key("x")).await.unwrap(),
        };
        // Until the first tier asks Redis again.
        until(async || cache.get_or_load(&key("x"), load.clone(), failing).await.is_err()).await;
        assert!(cache.get_or_load(&key("x"), load.clone(), failing).await.is_err());
    }
}

#[tokio::test]
async fn a_pattern_and_everything_are_made_up_for_too() {
    let After { cache, direct, _servers } = while_away(CacheOptions::new(), async |cache| {
        assert!(cache.delete_matching(&space().pattern()).await.unwrap().is_owed());
    })
    .await;
    assert_eq!(cache.get::<String>(&key("a")).await.unwrap(), None);
    assert_eq!(direct.exists(["a", "b", "c"].map(key)).await.unwrap(), 0);
    let After { cache, _servers, .. } =
        while_away(CacheOptions::new().generation("g"), async |cache| {
            assert!(cache.clear().await.unwrap().is_owed());
        })
        .await;
    assert_eq!(cache.get::<String>(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn critical_caches_fail_and_keep_nothing() {
    let After { cache, _servers, .. } =
        while_away(CacheOptions::new().tier(Tier::Critical), async |cache| {
            assert_eq!(
                cache.get::<String>(&key("a")).await.unwrap_err().kind(),
                ErrorKind::Connect
            );
            assert!(cache.delete(&key("a")).await.is_err());
            assert!(cache.set(&key("b"), "new", MINUTE).await.is_err());
            assert!(cache.invalidate_tags(["tag of c"]).await.is_err());
        })
        .await;
    assert_eq!(cache.get::<String>(&key("a")).await.unwrap().as_deref(), Some("old"));
}

#[tokio::test]
async fn the_first_tier_is_the_last_resort() {
    let hour = Duration::from_secs(3600);
    let options = CacheOptions::new().l1(L1Options::new().ttl(Duration::from_millis(1)));
    let entry = EntryOptions::new(Ttl::seconds(60)).stale_if_error(hour);
    let load = LoadOptions::new(entry.clone());
    let failing = || async { Err::<String, _>("the database is away as well") };
    while_away(options, async |cache| {
        let error = cache.get_or_load(&key("x"), load.clone(), failing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Store);
    })
    .await;
    let redis = RedisServer::start();
    let options = CacheOptions::new().l1(L1Options::new().ttl(Duration::from_millis(1)));
    let cache = Cache::with_options(redis.client(), options);
    let found = async || Ok::<_, std::io::Error>("old".to_owned());
    cache.get_or_load(&key("x"), load.clone(), found).await.unwrap();
    drop(redis);
    assert_eq!(cache.get_or_load(&key("x"), load.clone(), failing).await.unwrap(), "old");
    cache.delete(&key("x")).await.unwrap();
    assert!(cache.get_or_load(&key("x"), load, failing).await.is_err(), "not what was deleted");
}

#[tokio::test]
async fn the_last_resort_is_not_older_than_it_may_be() {
    let redis = RedisServer::start();
    let options = CacheOptions::new().l1(L1Options::new().ttl(Duration::from_millis(1)));
    let cache = Cache::with_options(redis.client(), options);
    // It does not say until when it is fresh.
    cache.set(&key("x"), "old", Ttl::seconds(60)).await.unwrap();
    assert_eq!(cache.get::<String>(&key("x")).await.unwrap().as_deref(), Some("old"));
    drop(redis);
    let failing = || async { Err::<String, _>("the database is away as well") };
    let load = |limit| LoadOptions::new(EntryOptions::new(Ttl::seconds(60)).stale_if_error(limit));
    let hour = load(Duration::from_secs(3600));
    assert_eq!(cache.get_or_load(&key("x"), hour, failing).await.unwrap(), "old");
    let moment = load(Duration::from_millis(1));
    until(async || cache.get_or_load(&key("x"), moment.clone(), failing).await.is_err()).await;
}
