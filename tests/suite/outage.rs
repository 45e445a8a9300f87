//! Redis is away: nothing fails for it, nothing out of date is believed, and what it missed is made up for.

use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, LoadOptions, Tier, Ttl};
use edgecask::layer::Fallback;
use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{ErrorKind, Key, Keyspace};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::RedisServer;

const MINUTE: Duration = Duration::from_secs(60);

fn space() -> Keyspace {
    Keyspace::new(["outage"]).unwrap()
}

fn key(name: &str) -> Key {
    space().key([name]).unwrap()
}

async fn gateway(redis: &RedisServer, port: u16) -> Server {
    loop {
        let options = ServerOptions::redis(redis.url()).token("t").port(port);
        // The port may still be in use for a moment.
        match Server::start(options).await {
            Ok(server) => return server,
            Err(_) => tokio::task::yield_now().await,
        }
    }
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
    let server = gateway(&redis, 0).await;
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

async fn new() -> Result<String, std::io::Error> {
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
    while direct.exists(["a", "b", "c"].map(key)).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn too_much_for_the_queue_clears_the_cache() {
    for options in [
        CacheOptions::new().keyspace(space()),
        CacheOptions::new().generation("outage").keyspace(space()),
    ] {
        let After { cache, _servers, .. } = while_away(options, async |cache| {
            let many: Vec<Key> = (0..11_000).map(|number| key(&format!("x{number}"))).collect();
            cache.delete_many(&many).await.unwrap();
        })
        .await;
        assert_eq!(
            cache.get::<String>(&key("a")).await.unwrap(),
            None,
            "everything is out of date"
        );
        cache.set(&key("a"), "new", MINUTE).await.unwrap();
        assert_eq!(cache.get::<String>(&key("a")).await.unwrap().as_deref(), Some("new"));
    }
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
    let server = gateway(&redis, 0).await;
    let cache = Cache::new(Client::rest(&server.url(), "t").unwrap());
    let port = port_of(&server);
    server.stop().await;
    for keys in many.chunks(1000) {
        assert!(cache.delete_many(keys).await.unwrap().is_owed());
    }
    assert_eq!(cache.owed(), MANY as u64);
    let server = gateway(&redis, port).await;
    // Until Redis has caught up, nothing is believed; and then nothing old is there.
    let (mut next, mut caught_up) = (0, false);
    while !caught_up {
        caught_up = cache.owed() == 0;
        assert_eq!(cache.get::<String>(&name(next % MANY)).await.unwrap(), None);
        next += 4999;
    }
    assert_eq!(direct.exists(&many[..]).await.unwrap(), 0);
    assert_eq!(direct.get::<String>("another's").await.unwrap().as_deref(), Some("data"));
    server.stop().await;
}

#[tokio::test]
async fn what_a_dropped_cache_owes_is_made_up_for() {
    let redis = RedisServer::start();
    let (direct, server) = (redis.client(), gateway(&redis, 0).await);
    let port = port_of(&server);
    direct.set(key("a"), "\"old\"").await.unwrap();
    let client = Client::rest(&server.url(), "t").unwrap();
    server.stop().await;
    // As at the end of a request.
    assert!(Cache::new(client).delete(&key("a")).await.unwrap().is_owed());
    let server = gateway(&redis, port).await;
    while direct.exists([key("a")]).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn the_next_call_of_any_kind_makes_up_for_what_was_missed() {
    type Next = fn(&Cache) -> edgecask::platform::BoxFuture<'_, ()>;
    let calls: [Next; 5] = [
        |cache| Box::pin(async { cache.set(&key("other"), &1, MINUTE).await.unwrap() }),
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
    let After { cache, _servers, .. } = while_away(CacheOptions::new(), async |cache| {
        let cache = cache.wait_until(|_| {});
        assert!(cache.delete_many(&["a", "b"].map(key)).await.unwrap().is_owed());
    })
    .await;
    cache.set(&key("a"), "new", MINUTE).await.unwrap();
    assert_eq!(cache.get::<String>(&key("a")).await.unwrap().as_deref(), Some("new"));
    assert_eq!(cache.get::<String>(&key("b")).await.unwrap(), None);
}

#[tokio::test]
async fn a_fallback_does_not_hide_what_redis_misses() {
    let redis = RedisServer::start();
    let server = gateway(&redis, 0).await;
    let port = port_of(&server);
    let client =
        Client::rest(&server.url(), "t").unwrap().layer(Fallback::to(MemoryTransport::new()));
    let cache = Cache::with_options(client.clone(), CacheOptions::new());
    for name in ["a", "b"] {
        let tagged = EntryOptions::new(MINUTE).tags([format!("tag of {name}")]);
        cache.set(&key(name), "old", tagged).await.unwrap();
    }
    server.stop().await;
    client.set("counter", "falls back").await.unwrap();
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
        while cache.get_or_load(&key("x"), load.clone(), failing).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
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
