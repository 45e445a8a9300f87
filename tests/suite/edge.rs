//! The tier between this process and Redis, over a store that several caches share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, EdgeStore, EntryOptions, L1Options, LoadOptions, Ttl};
use edgecask::platform::BoxFuture;
use edgecask::{Error, ErrorKind, Key, Keyspace, Result};
use edgecask_tests::{RedisServer, until};
use tokio::sync::{Notify, Semaphore};

use crate::degradation::Log;

/// A store in memory, whose puts wait for a permit.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    held: Arc<Mutex<HashMap<String, (Bytes, Duration)>>>,
    permits: Arc<Semaphore>,
    /// The puts that have come.
    arrived: Arc<Semaphore>,
    changed: Arc<Notify>,
    broken: Arc<AtomicBool>,
    min_ttl: Duration,
    /// The keys that were to be forgotten, and how many are being forgotten, now and at the most.
    forgotten: Arc<Mutex<Vec<String>>>,
    forgetting: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        Self {
            held: Arc::default(),
            permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            arrived: Arc::new(Semaphore::new(0)),
            changed: Arc::default(),
            broken: Arc::default(),
            min_ttl: Duration::ZERO,
            forgotten: Arc::default(),
            forgetting: Arc::default(),
            most: Arc::default(),
        }
    }

    /// The bytes under a key.
    pub(crate) fn stored(&self, key: &str) -> Option<Bytes> {
        self.held.lock().unwrap().get(key).map(|(stored, _)| stored.clone())
    }

    fn ttl(&self, key: &Key) -> Option<Duration> {
        self.held.lock().unwrap().get(key.as_str()).map(|(_, ttl)| *ttl)
    }

    async fn holds(&self, key: &Key) -> Duration {
        loop {
            let changed = self.changed.notified();
            if let Some(ttl) = self.ttl(key) {
                return ttl;
            }
            changed.await;
        }
    }

    fn answer<T>(&self, value: T) -> Result<T> {
        match self.broken.load(Ordering::SeqCst) {
            true => Err(Error::new(ErrorKind::Store, "the shelf is broken")),
            false => Ok(value),
        }
    }
}

impl EdgeStore for Shelf {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        let held = self.held.lock().unwrap().get(key).map(|(stored, _)| stored.clone());
        Box::pin(async { self.answer(held) })
    }

    fn put<'a>(&'a self, key: &'a str, stored: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.arrived.add_permits(1);
            self.permits.acquire().await.unwrap().forget();
            self.held.lock().unwrap().insert(key.to_owned(), (stored, ttl));
            self.changed.notify_waiters();
            self.answer(())
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        self.held.lock().unwrap().remove(key);
        self.forgotten.lock().unwrap().push(key.to_owned());
        self.changed.notify_waiters();
        Box::pin(async {
            let now = self.forgetting.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.forgetting.fetch_sub(1, Ordering::SeqCst);
            self.answer(())
        })
    }

    fn min_ttl(&self) -> Duration {
        self.min_ttl
    }
}

const TTL: Duration = Duration::from_secs(5);

fn cache(redis: &RedisServer, shelf: &Shelf) -> Cache {
    Cache::with_options(redis.client(), CacheOptions::new().edge(shelf.clone(), TTL))
}

fn key(name: &str) -> Key {
    Keyspace::new(["edge"]).unwrap().key([name]).unwrap()
}

#[tokio::test]
async fn what_is_held_near_by_needs_no_redis() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    let [here, there] = [cache(&redis, &shelf), cache(&redis, &shelf)];
    here.set(&k, "old", Ttl::seconds(60)).await.unwrap();
    assert_eq!(here.get::<String>(&k).await.unwrap().as_deref(), Some("old"));
    assert!(shelf.holds(&k).await <= TTL, "counted from when the read was sent");

    // A stranger to the shelf writes: what is held there may be served for its time to live, and no longer.
    Cache::new(redis.client()).set(&k, "new", Ttl::seconds(60)).await.unwrap();
    assert_eq!(there.get::<String>(&k).await.unwrap().as_deref(), Some("old"));
    shelf.delete(k.as_str()).await.unwrap();
    assert_eq!(there.get::<String>(&k).await.unwrap().as_deref(), Some("new"));
    shelf.holds(&k).await;
    drop(redis);
    assert_eq!(there.get::<String>(&k).await.unwrap().as_deref(), Some("new"));
    assert_eq!((there.stats().edge_hits, there.stats().hits), (2, 3));
}

#[tokio::test]
async fn what_one_writes_all_who_share_it_see() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    let [here, there] = [cache(&redis, &shelf), cache(&redis, &shelf)];
    let held = async |value: &str| {
        assert_eq!(there.get::<String>(&k).await.unwrap().as_deref(), Some(value));
        shelf.holds(&k).await;
    };
    here.set(&k, "1", Ttl::seconds(60)).await.unwrap();
    held("1").await;
    here.set(&k, "2", Ttl::seconds(60)).await.unwrap();
    held("2").await;
    let refresh = LoadOptions::new(Ttl::seconds(60)).refresh();
    let load = async || Ok::<_, Error>("3".to_owned());
    here.get_or_load(&k, refresh, load).await.unwrap();
    held("3").await;
    assert_eq!(here.delete(&k).await.unwrap().count(), 1);
    assert_eq!(there.get::<String>(&k).await.unwrap(), None);
    here.set(&k, "4", Ttl::seconds(60)).await.unwrap();
    held("4").await;
    here.delete_matching(&Keyspace::new(["edge"]).unwrap().pattern()).await.unwrap();
    assert_eq!(there.get::<String>(&k).await.unwrap(), None);
}

#[tokio::test]
async fn a_pattern_is_forgotten_key_by_key_a_few_at_a_time() {
    let (redis, shelf) = (RedisServer::start(), Shelf::new());
    let here = cache(&redis, &shelf);
    let keys: Vec<Key> = (0..100).map(|number| key(&number.to_string())).collect();
    here.set_many(keys.iter().map(|key| (key, "v")), Ttl::seconds(60)).await.unwrap();
    shelf.forgotten.lock().unwrap().clear();
    let matching = Keyspace::new(["edge"]).unwrap().pattern();
    assert_eq!(here.delete_matching(&matching).await.unwrap().count(), 100);
    let mut forgotten = shelf.forgotten.lock().unwrap().clone();
    forgotten.sort_unstable();
    let mut expected: Vec<&str> = keys.iter().map(Key::as_str).collect();
    expected.sort_unstable();
    assert_eq!(forgotten, expected, "and no lease, of which none is held there");
    let most = shelf.most.load(Ordering::SeqCst);
    assert!((2..=6).contains(&most), "{most} at a time");
}

#[tokio::test]
async fn a_store_that_holds_nothing_for_so_short_a_time_is_left_out() {
    let (redis, log, k) = (RedisServer::start(), Log::default(), key("k"));
    let _guard = log.start();
    let shelf = Shelf { min_ttl: TTL, ..Shelf::new() };
    let short = CacheOptions::new().edge(shelf.clone(), TTL - Duration::from_millis(1));
    let here = Cache::with_options(redis.client(), short);
    assert_eq!(log.lines("is not used"), 1);
    here.set(&k, "v", Ttl::seconds(60)).await.unwrap();
    assert!(shelf.forgotten.lock().unwrap().is_empty());
    let here = cache(&redis, &shelf);
    assert_eq!(here.get::<String>(&k).await.unwrap().as_deref(), Some("v"));
    shelf.holds(&k).await;
}

#[tokio::test]
async fn tags_are_never_outdated() {
    let (redis, shelf) = (RedisServer::start(), Shelf::new());
    let (here, stranger) = (cache(&redis, &shelf), Cache::new(redis.client()));
    let keys = [key("tagged"), key("plain"), key("absent")];
    let tagged = EntryOptions::new(Ttl::seconds(60)).tags(["t"]);
    stranger.set(&keys[0], "old", tagged.clone()).await.unwrap();
    stranger.set(&keys[1], "plain", Ttl::seconds(60)).await.unwrap();
    let values = async || here.get_many::<String>(&keys).await.unwrap();
    let found = |tagged: Option<&str>| [tagged.map(str::to_owned), Some("plain".to_owned()), None];
    assert_eq!(values().await, found(Some("old")));
    shelf.holds(&keys[0]).await;
    shelf.holds(&keys[1]).await;
    assert_eq!(values().await, found(Some("old")));
    assert_eq!(here.stats().edge_hits, 2);
    stranger.invalidate_tags(["t"]).await.unwrap();
    assert_eq!(values().await, found(None));
    stranger.set(&keys[0], "new", tagged).await.unwrap();
    assert_eq!(values().await, found(Some("new")));
    let loaded = here.get_or_load(&keys[0], Ttl::seconds(60), async || Err::<String, _>("asked"));
    assert_eq!(loaded.await.unwrap(), "new");
}

#[tokio::test]
async fn a_generation_ends_at_once_everywhere() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    let options = CacheOptions::new().generation("all").keyspace(Keyspace::new(["edge"]).unwrap());
    let stranger = Cache::with_options(redis.client(), options.clone());
    let near = options.edge(shelf.clone(), TTL).l1(L1Options::new().ttl(Duration::from_millis(1)));
    let here = Cache::with_options(redis.client(), near);
    here.set(&k, "v", Ttl::seconds(60)).await.unwrap();
    assert_eq!(here.get::<String>(&k).await.unwrap().as_deref(), Some("v"));
    shelf.holds(&k).await;
    // Until the first tier has forgotten it.
    until(async || {
        assert_eq!(here.get::<String>(&k).await.unwrap().as_deref(), Some("v"));
        here.stats().edge_hits > 0
    })
    .await;
    stranger.clear().await.unwrap();
    until(async || {
        let hits = here.stats().edge_hits;
        here.get::<String>(&k).await.unwrap().is_none() || {
            assert_eq!((hits, here.stats().edge_hits), (1, 1));
            false
        }
    })
    .await;
}

#[tokio::test]
async fn a_hit_near_by_does_not_end_an_outage() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    let log = Log::default();
    let _logging = log.start();
    let cache = cache(&redis, &shelf);
    cache.set(&k, "v", Ttl::seconds(60)).await.unwrap();
    cache.get::<String>(&k).await.unwrap();
    shelf.holds(&k).await;
    drop(redis);
    for _ in 0..3 {
        assert_eq!(cache.get::<String>(&key("other")).await.unwrap(), None);
        assert_eq!(cache.get::<String>(&k).await.unwrap().as_deref(), Some("v"));
    }
    assert_eq!((log.lines("WARN"), log.lines("Redis is back")), (1, 0));
}

#[tokio::test]
async fn nothing_stale_is_held() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    let cache = cache(&redis, &shelf);
    let soon = EntryOptions::new(Ttl::seconds(2)).stale_if_error(Duration::from_secs(60));
    cache.set(&k, "v", soon).await.unwrap();
    cache.get::<String>(&k).await.unwrap();
    let ttl = shelf.holds(&k).await;
    assert!(ttl <= Duration::from_secs(2), "{ttl:?}");
}

#[tokio::test]
async fn a_slow_put_does_not_bring_back_what_was_deleted() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    let cache = cache(&redis, &shelf);
    cache.set(&k, "old", Ttl::seconds(60)).await.unwrap();
    shelf.permits.forget_permits(Semaphore::MAX_PERMITS);
    assert_eq!(cache.get::<String>(&k).await.unwrap().as_deref(), Some("old"));
    // The value is on its way to the shelf.
    shelf.arrived.acquire().await.unwrap().forget();
    cache.delete(&k).await.unwrap();
    let landed = shelf.changed.notified();
    shelf.permits.add_permits(1);
    landed.await;
    // What follows waits for nothing: the other task has its turn.
    tokio::task::yield_now().await;
    assert_eq!(shelf.ttl(&k), None);
    assert_eq!(cache.get::<String>(&k).await.unwrap(), None);
}

#[tokio::test]
async fn a_store_that_fails_is_done_without() {
    let (redis, shelf, k) = (RedisServer::start(), Shelf::new(), key("k"));
    shelf.broken.store(true, Ordering::SeqCst);
    let cache = cache(&redis, &shelf);
    for value in ["1", "2"] {
        cache.set(&k, value, Ttl::seconds(60)).await.unwrap();
        assert_eq!(cache.get::<String>(&k).await.unwrap().as_deref(), Some(value));
    }
    shelf.broken.store(false, Ordering::SeqCst);
    // Somebody else's bytes are no entry; they are asked of Redis.
    shelf.put(k.as_str(), "edgecask/9 {}\n".into(), TTL).await.unwrap();
    assert_eq!(cache.get::<String>(&k).await.unwrap().as_deref(), Some("2"));
}
