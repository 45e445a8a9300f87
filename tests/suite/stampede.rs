//! Many who miss the same key at the same time, in one process and in several, and the first tier.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, LoadOptions, Ttl};
use edgecask::layer::Observe;
use edgecask::prelude::*;
use edgecask::{ErrorKind, Key};
use edgecask_tests::{RedisServer, until};
use futures_util::future::join_all;
use tokio::sync::Notify;

fn key(name: &str) -> Key {
    Key::verbatim(name).unwrap()
}

/// A loader that counts, and takes until it is told to end.
#[derive(Default)]
pub(crate) struct Source {
    loads: AtomicUsize,
    pub(crate) go_on: Notify,
}

impl Source {
    pub(crate) async fn load(&self) -> Result<u64, std::io::Error> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.go_on.notified().await;
        Ok(42)
    }

    pub(crate) fn count(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn ten_thousand_callers_are_one_load() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        let (cache, source) = (Cache::new(client), Arc::new(Source::default()));
        let calls: Vec<_> = (0..10_000)
            .map(|_| {
                let (cache, source) = (cache.clone(), Arc::clone(&source));
                tokio::spawn(async move {
                    cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
                })
            })
            .collect();
        until(async || source.count() > 0).await;
        source.go_on.notify_one();
        for value in join_all(calls).await {
            assert_eq!(value.unwrap().unwrap(), 42);
        }
        let stats = cache.stats();
        assert_eq!((source.count(), stats.loads, stats.stored), (1, 1, 1));
        assert_eq!(stats.coalesced + stats.hits, 9_999);
    }
}

#[tokio::test]
async fn several_processes_are_one_load() {
    let redis = RedisServer::start();
    // A wait that no slow machine exceeds: here the other process always ends.
    let options =
        CacheOptions::new().lease_wait(Duration::from_secs(60)).lease(Duration::from_secs(60));
    let source = Arc::new(Source::default());
    let processes: Vec<Cache> =
        (0..4).map(|_| Cache::with_options(redis.client(), options.clone())).collect();
    let calls: Vec<_> = processes
        .iter()
        .flat_map(|cache| {
            (0..25).map(|_| {
                let (cache, source) = (cache.clone(), Arc::clone(&source));
                tokio::spawn(async move {
                    cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
                })
            })
        })
        .collect();
    // Every process has found the key missing, and one of them loads.
    until(async || source.count() > 0 && processes.iter().all(|cache| cache.stats().misses > 0))
        .await;
    source.go_on.notify_one();
    for value in join_all(calls).await {
        assert_eq!(value.unwrap().unwrap(), 42);
    }
    assert_eq!(source.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_has_just_ended_elsewhere_is_not_repeated() {
    const KEYS: usize = 300;
    let redis = RedisServer::start();
    let options = CacheOptions::new().lease_wait(Duration::from_secs(60));
    let loads = Arc::new(AtomicUsize::new(0));
    let processes: Vec<Cache> =
        (0..4).map(|_| Cache::with_options(redis.client(), options.clone())).collect();
    let calls = processes.iter().map(|cache| {
        let (cache, loads) = (cache.clone(), Arc::clone(&loads));
        tokio::spawn(async move {
            for number in 0..KEYS {
                let load = || async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, std::io::Error>(number)
                };
                let key = key(&format!("k{number}"));
                assert_eq!(cache.get_or_load(&key, Ttl::seconds(60), load).await.unwrap(), number);
            }
        })
    });
    for call in join_all(calls.collect::<Vec<_>>()).await {
        call.unwrap();
    }
    assert_eq!(loads.load(Ordering::SeqCst), KEYS, "one load a key over all processes");
}

#[tokio::test]
async fn who_waits_for_another_process_shares_what_it_stored() {
    let redis = RedisServer::start();
    let options = CacheOptions::new().lease_wait(Duration::from_secs(60));
    let cache = Cache::with_options(redis.client(), options);
    let client = redis.client();
    client.set("edgecask:lease:{k}", "another process's").await.unwrap();
    let source = Arc::new(Source::default());
    let start = || {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tokio::spawn(async move {
            cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
        })
    };
    let first = start();
    until(async || cache.stats().misses > 0).await;
    // These come while the first one waits already.
    let others: Vec<_> = (0..20).map(|_| start()).collect();
    until(async || cache.stats().misses >= 21).await;
    // The other process stores its value, and its lease is gone with that.
    client.set("k", "42").await.unwrap();
    client.del(["edgecask:lease:{k}"]).await.unwrap();
    for value in join_all(others.into_iter().chain([first])).await {
        assert_eq!(value.unwrap().unwrap(), 42);
    }
    assert_eq!(source.count(), 0, "nobody had to load");
}

#[tokio::test]
async fn a_process_that_died_is_not_waited_for_long() {
    let redis = RedisServer::start();
    let client = redis.client();
    client.set("edgecask:lease:{k}", "somebody's").await.unwrap();
    let options = CacheOptions::new().lease_wait(Duration::from_millis(100));
    let cache = Cache::with_options(client, options);
    let load = || async { Ok::<_, std::io::Error>(1) };
    assert_eq!(cache.get_or_load(&key("k"), Ttl::seconds(60), load).await.unwrap(), 1);
    assert_eq!(cache.stats().stored, 1, "its lease is taken over");
}

#[tokio::test]
async fn who_leaves_hands_the_load_on_and_a_failure_is_everybodys() {
    let (cache, source) = (Cache::new(Client::memory()), Arc::new(Source::default()));
    let start = |source: &Arc<Source>| {
        let (cache, source) = (cache.clone(), Arc::clone(source));
        tokio::spawn(async move {
            cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
        })
    };
    let (first, second) = (start(&source), start(&source));
    until(async || source.count() > 0).await;
    first.abort();
    until(async || source.count() != 1).await;
    source.go_on.notify_one();
    assert_eq!(second.await.unwrap().unwrap(), 42);

    let failing = Arc::new(AtomicUsize::new(0));
    let calls = (0..10).map(|_| {
        let (cache, failing) = (cache.clone(), Arc::clone(&failing));
        tokio::spawn(async move {
            let load = || async {
                failing.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Err::<u64, _>("the database is away")
            };
            cache.get_or_load(&key("other"), Ttl::seconds(60), load).await
        })
    });
    for result in join_all(calls.collect::<Vec<_>>()).await {
        assert_eq!(result.unwrap().unwrap_err().kind(), ErrorKind::Store);
    }
    assert_eq!(failing.load(Ordering::SeqCst), 1, "a database in trouble is not asked ten times");
}

#[tokio::test]
async fn nobody_gets_what_was_loaded_before_a_write_that_he_knows_of() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        let (cache, other) = (Cache::new(client.clone()), Cache::new(client));
        for invalidator in [&cache, &other] {
            let source = Arc::new(Source::default());
            let old = {
                let (cache, source) = (cache.clone(), Arc::clone(&source));
                tokio::spawn(async move {
                    let load = || async move {
                        source.load().await?;
                        Ok::<_, std::io::Error>("old".to_owned())
                    };
                    cache.get_or_load::<String, _, _>(&key("k"), Ttl::seconds(60), load).await
                })
            };
            until(async || source.count() > 0).await;
            // Another process or this one writes, while the old value is on its way.
            invalidator.delete(&key("k")).await.unwrap();
            let new = {
                let cache = cache.clone();
                tokio::spawn(async move {
                    let load = || async { Ok::<_, std::io::Error>("new".to_owned()) };
                    cache.get_or_load::<String, _, _>(&key("k"), Ttl::seconds(60), load).await
                })
            };
            tokio::task::yield_now().await;
            source.go_on.notify_one();
            assert_eq!(new.await.unwrap().unwrap(), "new");
            assert_eq!(old.await.unwrap().unwrap(), "old");
            assert_eq!(cache.get::<String>(&key("k")).await.unwrap().as_deref(), Some("new"));
            cache.delete(&key("k")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_first_tier_answers_without_redis_and_forgets_what_is_written() {
    let redis = RedisServer::start();
    let hour = Duration::from_secs(3600);
    let options = CacheOptions::new().l1(L1Options::new().ttl(hour));
    let cache = Cache::with_options(redis.client(), options);
    let plain = Cache::new(redis.client());
    cache.set(&key("a"), &1, Ttl::seconds(60)).await.unwrap();
    assert_eq!(cache.get::<u64>(&key("a")).await.unwrap(), Some(1));
    plain.set(&key("a"), &2, Ttl::seconds(60)).await.unwrap();
    assert_eq!(cache.get::<u64>(&key("a")).await.unwrap(), Some(1), "from memory");
    assert_eq!(cache.get_many::<u64>(&[key("a"), key("b")]).await.unwrap(), [Some(1), None]);
    assert_eq!((cache.stats().hits, cache.stats().l1_hits, cache.stats().misses), (3, 2, 1));

    cache.set(&key("a"), &3, Ttl::seconds(60)).await.unwrap();
    assert_eq!(cache.get::<u64>(&key("a")).await.unwrap(), Some(3), "its own writes show at once");
    cache.delete(&key("a")).await.unwrap();
    assert_eq!(cache.get::<u64>(&key("a")).await.unwrap(), None);
    let load = || async { Ok::<_, std::io::Error>(4) };
    assert_eq!(cache.get_or_load(&key("a"), Ttl::seconds(60), load).await.unwrap(), 4);
    plain.delete(&key("a")).await.unwrap();
    let load = || async { Ok::<_, std::io::Error>(5) };
    assert_eq!(
        cache.get_or_load(&key("a"), Ttl::seconds(60), load).await.unwrap(),
        4,
        "from memory"
    );
    cache.delete_matching(&edgecask::Pattern::verbatim("a*").unwrap()).await.unwrap();
    assert_eq!(cache.get::<u64>(&key("a")).await.unwrap(), None);
}

#[tokio::test]
async fn the_first_tier_keeps_its_limits() {
    let l1 = L1Options::new().bytes(20_000).ttl(Duration::from_secs(3600));
    let cache = Cache::with_options(Client::memory(), CacheOptions::new().l1(l1));
    let text = "x".repeat(1000);
    for number in 0..100 {
        cache.set(&key(&format!("k{number}")), &text, Ttl::seconds(60)).await.unwrap();
        cache.get::<String>(&key(&format!("k{number}"))).await.unwrap();
    }
    cache.reset_stats();
    for number in 0..100 {
        assert!(cache.get::<String>(&key(&format!("k{number}"))).await.unwrap().is_some());
    }
    assert!(cache.stats().l1_hits < 20, "{:?}", cache.stats());

    // A value does not outlive its time to live there, nor the tier's.
    let brief = L1Options::new().ttl(Duration::ZERO);
    let cache = Cache::with_options(Client::memory(), CacheOptions::new().l1(brief));
    cache.set(&key("k"), &1, Ttl::seconds(60)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(cache.get::<u64>(&key("k")).await.unwrap(), Some(1));
    }
    assert_eq!(cache.stats().l1_hits, 0);
}

#[tokio::test]
async fn others_forget_what_one_deletes() {
    let redis = RedisServer::start();
    let port = redis.port();
    let options = CacheOptions::new()
        .l1(L1Options::new().ttl(Duration::from_secs(3600)))
        .bus("invalidations");
    let [one, other] = [0; 2].map(|_| Cache::with_options(redis.client(), options.clone()));
    let follower = other.clone();
    let following = tokio::spawn(async move { follower.follow_invalidations().await });
    let until_followed = async |client: Client| {
        until(async || client.pubsub_numsub::<String>(["invalidations"]).await.unwrap()[0].1 > 0)
            .await;
    };
    until_followed(redis.client()).await;
    let until_it_is = async |value: Option<u64>| {
        until(async || other.get::<u64>(&key("k")).await.unwrap() == value).await;
    };
    for number in 1..5 {
        one.set(&key("k"), &number, Ttl::seconds(60)).await.unwrap();
        until_it_is(Some(number)).await;
    }
    one.delete(&key("k")).await.unwrap();
    until_it_is(None).await;
    one.set(&key("k"), &7, Ttl::seconds(60)).await.unwrap();
    until_it_is(Some(7)).await;
    let guard = one.begin_store(&key("k"), Ttl::seconds(60)).await.unwrap().unwrap();
    assert!(guard.store(&9).await.unwrap());
    until_it_is(Some(9)).await;
    one.delete_matching(&edgecask::Pattern::verbatim("k*").unwrap()).await.unwrap();
    until_it_is(None).await;

    // What is missed while the connection is away is not believed afterwards.
    one.set(&key("k"), &8, Ttl::seconds(60)).await.unwrap();
    until_it_is(Some(8)).await;
    drop(redis);
    let redis = RedisServer::on_port(port);
    until_followed(redis.client()).await;
    until(async || other.get::<u64>(&key("k")).await.ok() == Some(None)).await;
    following.abort();

    let lonely = Cache::new(Client::memory());
    assert_eq!(lonely.follow_invalidations().await.unwrap_err().kind(), ErrorKind::Config);
}

/// Counts round trips, in parts that batches of up to ten commands divide.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<AtomicUsize>);

impl Requests {
    const WHOLE: usize = 2520;

    pub(crate) fn of(&self, client: Client) -> Client {
        let count = Arc::clone(&self.0);
        client.layer(Observe::new().each(move |observed| {
            count.fetch_add(Self::WHOLE / observed.batch, Ordering::SeqCst);
        }))
    }

    /// How many there were since the last call of this.
    pub(crate) fn taken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst) / Self::WHOLE
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst) / Self::WHOLE
    }
}

#[tokio::test]
async fn who_waits_for_a_slow_load_does_not_load() {
    let redis = RedisServer::start();
    let (source, requests) = (Arc::new(Source::default()), Requests::default());
    // The scripts are known to the server from here on.
    let other = Cache::new(redis.client());
    let load = || async { Ok::<_, std::io::Error>(1_u64) };
    other.get_or_load(&key("other"), Ttl::seconds(60), load).await.unwrap();
    let start = Instant::now();
    let caches: Vec<Cache> = (0..50).map(|_| Cache::new(requests.of(redis.client()))).collect();
    let calls: Vec<_> = caches
        .iter()
        .map(|cache| {
            let (cache, source) = (cache.clone(), Arc::clone(&source));
            tokio::spawn(async move {
                cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
            })
        })
        .collect();
    until(async || source.count() > 0 && caches.iter().all(|cache| cache.stats().misses > 0)).await;
    // All who wait have read, and have looked five times.
    until(async || requests.count() >= 49 * 6).await;
    source.go_on.notify_one();
    for value in join_all(calls).await {
        assert_eq!(value.unwrap().unwrap(), 42);
    }
    assert_eq!(source.count(), 1);
    // Each a GET, a first look, and as many more as the shortest pauses allow in this time; and one that stores.
    let (mut looks, mut pause, mut waited) = (0, 0.06, 0.0);
    while waited < start.elapsed().as_secs_f64() {
        waited += pause * 0.75;
        pause = f64::min(pause * 3.0, 1.0);
        looks += 1;
    }
    let requests = requests.taken();
    assert!(requests <= 50 * (2 + looks) + 1, "{requests} requests");
}

#[tokio::test]
async fn a_load_that_hangs_is_waited_for_until_it_is_gone() {
    let options = CacheOptions::new().lease(Duration::from_millis(100));
    let cache = Cache::with_options(Client::memory(), options);
    let hung = {
        let cache = cache.clone();
        let forever = LoadOptions::new(Ttl::seconds(60)).hard_timeout(None);
        tokio::spawn(async move {
            let never = std::future::pending::<Result<u64, std::io::Error>>;
            cache.get_or_load(&key("k"), forever, never).await
        })
    };
    until(async || cache.stats().loads > 0).await;
    let source = Arc::new(Source::default());
    let others: Vec<_> = (0..20)
        .map(|_| {
            let (cache, source) = (cache.clone(), Arc::clone(&source));
            tokio::spawn(async move {
                cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
            })
        })
        .collect();
    // They wait for who loads, until that one is gone.
    until(async || cache.stats().misses >= 21).await;
    let brief = LoadOptions::new(Ttl::seconds(60)).hard_timeout(Duration::from_millis(150));
    let late = cache.get_or_load(&key("k"), brief, || source.load()).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(source.count(), 0);
    hung.abort();
    until(async || source.count() > 0).await;
    source.go_on.notify_one();
    for value in join_all(others).await {
        assert_eq!(value.unwrap().unwrap(), 42);
    }
    assert_eq!(source.count(), 1);
}

#[tokio::test]
async fn writes_of_others_leave_the_first_tier_alone() {
    let redis = RedisServer::start();
    let hour = Duration::from_secs(3600);
    let cache =
        Cache::with_options(redis.client(), CacheOptions::new().l1(L1Options::new().ttl(hour)));
    let keys: Vec<Key> = (0..50).map(|number| key(&format!("k{number}"))).collect();
    for key in &keys {
        cache.set(key, &1, Ttl::seconds(60)).await.unwrap();
    }
    let unrelated: Vec<Key> = (0..20).map(|number| key(&format!("u{number}"))).collect();
    // While these are read, others are deleted.
    let reads = join_all(keys.iter().map(|key| cache.get::<u64>(key)));
    let (found, deleted) = tokio::join!(reads, cache.delete_many(&unrelated));
    deleted.unwrap();
    assert!(found.into_iter().all(|found| found.unwrap() == Some(1)));
    cache.reset_stats();
    cache.get_many::<u64>(&keys).await.unwrap();
    let hits = cache.stats().l1_hits;
    assert!(hits >= 40, "{hits} of 50");
}

#[tokio::test]
async fn costs_are_as_documented() {
    let redis = RedisServer::start();
    let requests = Requests::default();
    let cache = Cache::new(requests.of(redis.client()));
    let load = || async { Ok::<_, std::io::Error>(1) };
    // The scripts are known to the server from here on.
    cache.set(&key("first"), &1, EntryOptions::new(Ttl::seconds(60)).tags(["t"])).await.unwrap();
    cache.get_or_load(&key("second"), Ttl::seconds(60), load).await.unwrap();
    cache.invalidate_tags(["t"]).await.unwrap();
    requests.taken();
    cache.set(&key("a"), &1, Ttl::seconds(60)).await.unwrap();
    assert_eq!(requests.taken(), 2, "set");
    let tagged = EntryOptions::new(Ttl::seconds(60)).tags(["t", "u"]);
    cache.set(&key("a"), &1, tagged).await.unwrap();
    assert_eq!(requests.taken(), 2, "set with tags");
    let keys = ["x", "y", "z"].map(key);
    cache.set_many(keys.iter().map(|key| (key, &1)), Ttl::seconds(60)).await.unwrap();
    assert_eq!(requests.taken(), 2, "set_many");
    cache.get_or_load(&key("b"), Ttl::seconds(60), load).await.unwrap();
    assert_eq!(requests.taken(), 3, "a miss");
    let new = EntryOptions::new(Ttl::seconds(60)).tags(["t", "new", "newer"]);
    cache.get_or_load(&key("c"), new, load).await.unwrap();
    assert_eq!(requests.taken(), 3, "a miss with tags, of which some have no version");
    cache.get_or_load(&key("b"), Ttl::seconds(60), load).await.unwrap();
    assert_eq!(requests.taken(), 1, "a hit");
    cache.delete(&key("b")).await.unwrap();
    assert_eq!(requests.taken(), 1, "delete");
    cache.invalidate_tags(["t", "u"]).await.unwrap();
    assert_eq!(requests.taken(), 1, "tags");
}

#[tokio::test]
async fn who_waits_for_a_value_of_another_type_loads_one() {
    let (cache, source) = (Cache::new(Client::memory()), Arc::new(Source::default()));
    let number = {
        let (cache, source) = (cache.clone(), Arc::clone(&source));
        tokio::spawn(async move {
            cache.get_or_load(&key("k"), Ttl::seconds(60), || source.load()).await
        })
    };
    until(async || source.count() == 1).await;
    let text = async || Ok::<_, std::io::Error>("text".to_owned());
    let keys = [key("k")];
    let one = cache.get_or_load::<String, _, _>(&keys[0], Ttl::seconds(60), text);
    let many = |keys: Vec<Key>| async move {
        Ok::<_, std::io::Error>(keys.into_iter().map(|key| (key, vec![1])).collect::<Vec<_>>())
    };
    let many = cache.get_or_load_many::<Vec<u64>, _, _, _>(&keys, Ttl::seconds(60), many);
    let go_on = async {
        tokio::task::yield_now().await;
        source.go_on.notify_one();
    };
    let (one, many, ()) = futures_util::join!(one, many, go_on);
    assert_eq!(number.await.unwrap().unwrap(), 42);
    assert_eq!(one.unwrap(), "text");
    assert_eq!(many.unwrap()[&keys[0]], [1]);
}
