//! Loading many values by one call of the loader: what it costs, and that the promises for one key hold for each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, LoadOptions, Tier, Ttl};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{ErrorKind, Key};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, until};
use futures_util::future::join_all;
use tokio::sync::Notify;

use crate::stampede::Requests;

const MINUTE: Ttl = Ttl::seconds(60);

fn key(name: impl std::fmt::Display) -> Key {
    Key::verbatim(name.to_string()).unwrap()
}

fn keys(range: std::ops::Range<usize>) -> Vec<Key> {
    range.map(key).collect()
}

/// Gives the length of each key, and notes what it was asked for.
#[derive(Default)]
struct Loads(Mutex<Vec<Vec<Key>>>);

impl Loads {
    async fn load(&self, keys: Vec<Key>) -> Result<Vec<(Key, usize)>, std::io::Error> {
        self.0.lock().unwrap().push(keys.clone());
        Ok(keys.into_iter().map(|key| (key.clone(), key.as_str().len())).collect())
    }

    fn taken(&self) -> Vec<Vec<Key>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn costs_are_as_documented() {
    let (redis, requests, loads) = (RedisServer::start(), Requests::default(), Loads::default());
    for options in [
        CacheOptions::new(),
        CacheOptions::new().l1(L1Options::new()),
        CacheOptions::new().generation("g"),
    ] {
        let has_l1 = format!("{options:?}").contains("L1Options");
        let cache = Cache::with_options(requests.of(redis.client()), options);
        redis.client().flushall().await.unwrap();
        // Makes the scripts known to the server.
        cache.get_or_load(&key("warm"), MINUTE, async || Ok::<_, std::io::Error>(1)).await.unwrap();
        requests.taken();
        let asked = keys(0..20);
        let load = |keys| loads.load(keys);
        let found = cache.get_or_load_many(&asked, MINUTE, load).await.unwrap();
        assert_eq!(found.len(), 20);
        assert_eq!(loads.taken(), std::slice::from_ref(&asked));
        // The read, the leases, the values; the versions of tags go with them.
        assert_eq!(requests.taken(), 3);
        let found = cache.get_or_load_many(&asked, MINUTE, load).await.unwrap();
        assert_eq!((found.len(), loads.taken().len()), (20, 0));
        assert_eq!(requests.taken(), if has_l1 { 0 } else { 1 });
        // Only what is missing is loaded.
        let more = keys(10..25);
        let found = cache.get_or_load_many(&more, MINUTE, load).await.unwrap();
        assert_eq!((found.len(), loads.taken()), (15, vec![keys(20..25)]));
        assert_eq!(redis.client().keys::<String>("edgecask:lease:*").await.unwrap().len(), 0);
        let nothing = cache.get_or_load_many(&[], MINUTE, load).await.unwrap();
        assert!(nothing.is_empty() && loads.taken().is_empty());
        requests.taken();
    }
}

#[tokio::test]
async fn a_key_is_loaded_once_whoever_asks() {
    let redis = RedisServer::start();
    let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..40).map(|_| AtomicUsize::new(0)).collect());
    let caches = [0; 3].map(|_| Cache::new(redis.client()));
    let calls = (0..60).map(|number| {
        let (cache, counts) = (caches[number % 3].clone(), Arc::clone(&counts));
        async move {
            let load = |keys: Vec<Key>| {
                let counts = Arc::clone(&counts);
                async move {
                    tokio::task::yield_now().await;
                    let value = |key: Key| {
                        let at: usize = key.as_str().parse().unwrap();
                        counts[at].fetch_add(1, Ordering::SeqCst);
                        (key, at)
                    };
                    Ok::<_, std::io::Error>(keys.into_iter().map(value).collect::<Vec<_>>())
                }
            };
            if number % 4 == 0 {
                let key = key(number % 40);
                let load = || async { load(vec![key.clone()]).await.map(|one| one[0].1) };
                let value = cache.get_or_load(&key, MINUTE, load).await.unwrap();
                assert_eq!(value, number % 40);
                return;
            }
            let start = (number * 7) % 30;
            let asked = keys(start..start + 10);
            let found = cache.get_or_load_many(&asked, MINUTE, load).await.unwrap();
            let expected: HashMap<Key, usize> =
                (start..start + 10).map(|at| (key(at), at)).collect();
            assert_eq!(found, expected);
        }
    });
    join_all(calls).await;
    let counts: Vec<usize> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert!(counts.iter().all(|count| *count <= 1), "{counts:?}");
}

#[tokio::test]
async fn what_is_invalidated_meanwhile_is_not_stored() {
    for options in [CacheOptions::new(), CacheOptions::new().l1(L1Options::new())] {
        let redis = RedisServer::start();
        let cache = Cache::with_options(redis.client(), options);
        let other = Cache::new(redis.client());
        let entry = EntryOptions::new(MINUTE).tags(["t"]);
        for by_tag in [false, true] {
            let load = |keys: Vec<Key>| {
                let other = &other;
                async move {
                    match by_tag {
                        true => other.invalidate_tags(["t"]).await?,
                        false => other.delete(&key(1)).await?,
                    };
                    Ok::<_, edgecask::Error>(keys.into_iter().map(|key| (key, "old".to_owned())))
                }
            };
            let found = cache.get_or_load_many(&keys(0..3), entry.clone(), load).await.unwrap();
            assert_eq!(found.len(), 3);
            for number in 0..3 {
                let left = cache.get::<String>(&key(number)).await.unwrap();
                assert_eq!(left.is_some(), !by_tag && number != 1, "key {number}");
            }
            cache.delete_many(&keys(0..3)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_the_loader_does_not_give_is_absent() {
    let (redis, requests) = (RedisServer::start(), Requests::default());
    let cache = Cache::new(requests.of(redis.client()));
    let even = |keys: Vec<Key>| async move {
        // A key that nobody asked for is ignored.
        let odd = |key: &Key| key.as_str().parse::<usize>().is_ok_and(|number| number % 2 == 1);
        let given = keys.into_iter().filter(|key| !odd(key)).chain([key("unasked")]);
        Ok::<_, std::io::Error>(given.map(|key| (key, 7)).collect::<Vec<_>>())
    };
    let mut asked = keys(0..4);
    // A key that is asked for twice is one key.
    asked.extend(keys(0..2));
    let found = cache.get_or_load_many(&asked, MINUTE, even).await.unwrap();
    assert_eq!(found, HashMap::from([(key(0), 7), (key(2), 7)]));
    let mut names = redis.client().keys::<String>("*").await.unwrap();
    names.sort();
    assert_eq!(names, ["0", "2"], "no lease is left, and nothing that was not asked for");
    let nobody = async || Ok::<_, std::io::Error>(8);
    assert_eq!(cache.get_or_load(&key(1), MINUTE, nobody).await.unwrap(), 8);
}

#[tokio::test]
async fn an_error_is_everybodys_and_a_stale_value_stands_in() {
    let redis = RedisServer::start();
    let cache = Cache::new(redis.client());
    let failing = |_: Vec<Key>| async { Err::<Vec<(Key, u64)>, _>(std::io::Error::other("down")) };
    let error = cache.get_or_load_many(&keys(0..2), MINUTE, failing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(redis.client().dbsize().await.unwrap(), 0, "no lease is left");

    let entry = EntryOptions::new(Duration::from_millis(1)).stale_if_error(Duration::from_secs(60));
    let fine = |keys: Vec<Key>| async move {
        Ok::<_, std::io::Error>(keys.into_iter().map(|key| (key, 1_u64)).collect::<Vec<_>>())
    };
    cache.get_or_load_many(&keys(0..2), entry.clone(), fine).await.unwrap();
    until(async || cache.get::<u64>(&key(0)).await.unwrap().is_none()).await;
    let found = cache.get_or_load_many(&keys(0..2), entry.clone(), failing).await.unwrap();
    assert_eq!(found, HashMap::from([(key(0), 1), (key(1), 1)]));
    // One key has no value at all.
    assert!(cache.get_or_load_many(&keys(0..3), entry, failing).await.is_err());

    let hanging = |_: Vec<Key>| std::future::pending::<std::io::Result<Vec<(Key, u64)>>>();
    let options = LoadOptions::new(MINUTE).hard_timeout(Duration::from_millis(20));
    let error = cache.get_or_load_many(&keys(5..7), options, hanging).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn what_another_process_loads_is_waited_for() {
    let redis = RedisServer::start();
    let (here, there) = (Cache::new(redis.client()), Cache::new(redis.client()));
    let (began, go) = (Notify::new(), Notify::new());
    let slow = || async {
        began.notify_one();
        go.notified().await;
        Ok::<_, std::io::Error>("theirs".to_owned())
    };
    let (first, second) = (key(0), keys(0..3));
    let theirs = there.get_or_load(&first, MINUTE, slow);
    let ours = async {
        began.notified().await;
        let load = |keys: Vec<Key>| {
            go.notify_one();
            async move {
                let ours = keys.into_iter().map(|key| (key, "ours".to_owned()));
                Ok::<_, std::io::Error>(ours.collect::<Vec<_>>())
            }
        };
        here.get_or_load_many(&second, MINUTE, load).await.unwrap()
    };
    let (theirs, ours) = tokio::join!(theirs, ours);
    assert_eq!(theirs.unwrap(), "theirs");
    let values = keys(0..3).iter().map(|key| ours[key].clone()).collect::<Vec<_>>();
    assert_eq!(values, ["theirs", "ours", "ours"]);
}

#[tokio::test]
async fn without_redis_values_are_loaded() {
    let redis = RedisServer::start();
    let (important, critical) = (
        Cache::new(redis.client()),
        Cache::with_options(redis.client(), CacheOptions::new().tier(Tier::Critical)),
    );
    drop(redis);
    let loads = Loads::default();
    let load = |keys| loads.load(keys);
    let found = important.get_or_load_many(&keys(0..3), MINUTE, load).await.unwrap();
    assert_eq!((found.len(), loads.taken().len()), (3, 1));
    assert!(critical.get_or_load_many(&keys(0..3), MINUTE, load).await.is_err());
    assert!(loads.taken().is_empty());
    let options = LoadOptions::new(MINUTE).bypass();
    let found = critical.get_or_load_many(&keys(0..3), options, load).await.unwrap();
    assert_eq!((found.len(), loads.taken().len()), (3, 1));
}

#[tokio::test]
async fn a_refresh_loads_all_of_them() {
    let redis = RedisServer::start();
    let (cache, loads) = (Cache::new(redis.client()), Loads::default());
    cache.set(&key(1), &99, MINUTE).await.unwrap();
    let options = LoadOptions::new(MINUTE).refresh();
    let found =
        cache.get_or_load_many(&keys(0..3), options, |keys| loads.load(keys)).await.unwrap();
    assert_eq!((found[&key(1)], loads.taken()), (1, vec![keys(0..3)]));
    assert_eq!(cache.get::<usize>(&key(1)).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_store_guard_stores_only_what_nothing_came_after() {
    let redis = RedisServer::start();
    let cache = Cache::with_options(redis.client(), CacheOptions::new().l1(L1Options::new()));
    let key = key("k");
    let entry = || EntryOptions::new(MINUTE).tags(["t"]);
    let guard = async || cache.begin_store(&key, entry()).await.unwrap().unwrap();
    assert!(guard().await.store("first").await.unwrap());
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("first"));

    let (older, newer) = (guard().await, guard().await);
    assert!(cache.try_begin_store(&key, entry()).await.unwrap().is_none());
    assert!(!older.store("older").await.unwrap() && newer.store("newer").await.unwrap());
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("newer"));

    let deleted = guard().await;
    cache.delete(&key).await.unwrap();
    assert!(!deleted.store("deleted").await.unwrap());
    let invalidated = guard().await;
    cache.invalidate_tags(["t"]).await.unwrap();
    assert!(!invalidated.store("invalidated").await.unwrap());
    assert_eq!(cache.get::<String>(&key).await.unwrap(), None);

    guard().await.release().await;
    assert!(cache.try_begin_store(&key, entry()).await.unwrap().is_some());
    // That guard was dropped: it is released in the background.
    until(async || cache.try_begin_store(&key, entry()).await.unwrap().is_some()).await;
    let without_time = cache.begin_store(&key, Ttl::seconds(0)).await;
    assert_eq!(without_time.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn a_write_tells_what_became_of_it() {
    let redis = RedisServer::start();
    let cache = Cache::new(redis.client());
    let values = [(&key(1), &1), (&key(2), &2)];
    let stored = cache.set_many(values, MINUTE).await.unwrap();
    assert_eq!((stored.count(), stored.refused(), stored.is_owed()), (2, 0, false));
    drop(redis);
    let stored = cache.set_many(values, MINUTE).await.unwrap();
    assert_eq!((stored.count(), stored.refused(), stored.is_owed()), (0, 0, true));
    assert_eq!(cache.owed(), 2);
}

#[tokio::test]
async fn a_generation_stays_whoever_renews_it() {
    let redis = RedisServer::start();
    let own = Cache::with_options(redis.client(), CacheOptions::new().generation("g"));
    own.set(&key(1), &1, MINUTE).await.unwrap();
    let ttl = async || -> edgecask::Value {
        redis.client().execute(cmd("TTL").arg("edgecask:tag:g")).await.unwrap()
    };
    assert_eq!(ttl().await, edgecask::Value::Integer(-1));
    // A cache that does not know what it is.
    Cache::new(redis.client()).invalidate_tags(["g", "other"]).await.unwrap();
    assert_eq!(own.get::<u64>(&key(1)).await.unwrap(), None);
    assert_eq!(ttl().await, edgecask::Value::Integer(-1));
}

#[tokio::test]
async fn a_shared_value_is_decoded_once_and_forgotten_like_any_other() {
    let redis = RedisServer::start();
    let hour = Duration::from_secs(3600);
    let options = CacheOptions::new().l1(L1Options::new().ttl(hour)).bus("bus");
    let [cache, other] = [0; 2].map(|_| Cache::with_options(redis.client(), options.clone()));
    let follower = cache.clone();
    let following = tokio::spawn(async move { follower.follow_invalidations().await });
    let watcher = redis.client();
    until(async || watcher.pubsub_numsub::<String>(["bus"]).await.unwrap()[0].1 > 0).await;
    let key = key("k");
    let shared = async || cache.get_shared::<Vec<u64>>(&key).await.unwrap();
    let tagged = || EntryOptions::new(MINUTE).tags(["t"]);

    assert_eq!(shared().await, None);
    let load = async || Ok::<_, std::io::Error>(vec![1]);
    let loaded = cache.get_or_load_shared(&key, tagged(), load).await.unwrap();
    let (first, second) = (shared().await.unwrap(), shared().await.unwrap());
    assert!(Arc::ptr_eq(&first, &second) && *first == *loaded);
    let never = || async { Err::<Vec<u64>, _>(std::io::Error::other("not asked")) };
    let hit = cache.get_or_load_shared(&key, tagged(), never).await.unwrap();
    assert!(Arc::ptr_eq(&first, &hit));
    // The bytes are there for others, and one more type for one more decoding.
    assert_eq!(cache.get::<(u64,)>(&key).await.unwrap(), Some((1,)));
    assert_eq!(*cache.get_shared::<[u64; 1]>(&key).await.unwrap().unwrap(), [1]);
    assert_eq!(*shared().await.unwrap(), [1]);

    cache.set(&key, &[2], tagged()).await.unwrap();
    assert_eq!(*shared().await.unwrap(), [2]);
    shared().await.unwrap();
    other.set(&key, &[3], tagged()).await.unwrap();
    until(async || *shared().await.unwrap() == [3]).await;
    cache.invalidate_tags(["t"]).await.unwrap();
    assert_eq!(shared().await, None);
    cache.set(&key, &[4], MINUTE).await.unwrap();
    shared().await.unwrap();
    cache.delete(&key).await.unwrap();
    assert_eq!(shared().await, None);
    following.abort();
}

#[tokio::test]
async fn shared_values_keep_to_the_bound() {
    let redis = RedisServer::start();
    let cache =
        Cache::with_options(redis.client(), CacheOptions::new().l1(L1Options::new().bytes(64_000)));
    let value = "v".repeat(1000);
    let asked = keys(0..50);
    for key in &asked {
        cache.set(key, &value, MINUTE).await.unwrap();
        cache.get::<String>(key).await.unwrap();
        cache.get_shared::<String>(key).await.unwrap();
        cache.get_shared::<String>(key).await.unwrap();
    }
    let told = format!("{cache:?}");
    let bytes = told.split("bytes: ").nth(1).unwrap().split([' ', ',', '}']).next().unwrap();
    let bytes: u64 = bytes.parse().unwrap();
    assert!((20_000..=64_000).contains(&bytes), "{told}");
}

#[tokio::test]
async fn entries_of_an_invalidated_tag_cost_no_round_trip_each() {
    let (redis, requests, loads) = (RedisServer::start(), Requests::default(), Loads::default());
    let tagged = || EntryOptions::new(MINUTE).tags(["t"]);
    let cache = Cache::new(requests.of(redis.client()));
    let (asked, load) = (keys(0..20), |keys| loads.load(keys));
    cache.get_or_load_many(&asked, tagged(), load).await.unwrap();
    cache.invalidate_tags(["t"]).await.unwrap();
    loads.taken();
    requests.taken();
    let found = cache.get_or_load_many(&asked, tagged(), load).await.unwrap();
    assert_eq!((found.len(), loads.taken()), (20, vec![asked]));
    // The read, the leases, the versions of what stands there, the values.
    assert_eq!(requests.taken(), 4);
}

#[tokio::test]
async fn fresh_values_are_loaded_early_by_one_call() {
    let (redis, requests, loads) = (RedisServer::start(), Requests::default(), Loads::default());
    let caches = [0; 2].map(|_| Cache::new(requests.of(redis.client())));
    // So early that every reader is due.
    let early = || LoadOptions::new(MINUTE).early_refresh(1e18);
    let asked = keys(0..21);
    let slow = |keys| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        loads.load(keys).await
    };
    caches[0].get_or_load_many(&asked, early(), slow).await.unwrap();
    assert_eq!(loads.taken(), std::slice::from_ref(&asked));
    requests.taken();
    let found = caches[0].get_or_load_many(&asked, early(), slow).await.unwrap();
    assert_eq!((found.len(), loads.taken()), (21, vec![asked.clone()]));
    assert_eq!(requests.taken(), 3, "the read, the leases, the values");

    // Who finds somebody else at it takes the values as they are.
    let guard = caches[1].begin_store(&asked[0], MINUTE).await.unwrap().unwrap();
    requests.taken();
    let found = caches[0].get_or_load_many(&asked, early(), slow).await.unwrap();
    assert_eq!((found.len(), loads.taken()), (21, vec![asked[1..].to_vec()]));
    assert_eq!(requests.taken(), 3);
    guard.release().await;
}

#[tokio::test]
async fn a_stale_value_stands_in_for_a_load_that_failed_while_it_was_looked_up() {
    let redis = RedisServer::start();
    let hold = Hold::default();
    let cache = Cache::new(redis.client().layer(Tapped(hold.clone())));
    let entry = EntryOptions::new(Duration::from_millis(1)).stale_if_error(Duration::from_secs(60));
    let asked = keys(0..2);
    cache.set_many(asked.iter().map(|key| (key, &7)), entry.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;

    let source = Arc::new(Notify::new());
    let failing = {
        let (cache, entry, asked) = (cache.clone(), entry.clone(), asked.clone());
        let (source, started) = (Arc::clone(&source), Arc::new(Notify::new()));
        let starts = Arc::clone(&started);
        let call = tokio::spawn(async move {
            let load = || async {
                starts.notify_one();
                source.notified().await;
                Err::<usize, _>(std::io::Error::other("away"))
            };
            cache.get_or_load(&asked[0], entry, load).await
        });
        started.notified().await;
        call
    };
    // This call has joined those who wait, and its read is held up until the load has failed.
    hold.next.store(true, Ordering::SeqCst);
    let many = {
        let (cache, entry, asked) = (cache.clone(), entry.clone(), asked.clone());
        tokio::spawn(async move {
            let load = |_| async { Err::<Vec<(Key, usize)>, _>(std::io::Error::other("away")) };
            cache.get_or_load_many(&asked, entry, load).await
        })
    };
    hold.held.notified().await;
    source.notify_one();
    assert_eq!(failing.await.unwrap().unwrap(), 7);
    hold.go_on.notify_one();
    let found = many.await.unwrap().unwrap();
    assert_eq!(found, asked.into_iter().map(|key| (key, 7)).collect());
}

/// Holds the MGET up that is to be the next one.
#[derive(Debug, Clone, Default)]
struct Hold {
    next: Arc<AtomicBool>,
    held: Arc<Notify>,
    go_on: Arc<Notify>,
}

impl Tap for Hold {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, edgecask::Result<Results>> {
        Box::pin(async move {
            let is_read = trip.commands.iter().any(|command| command.name() == "MGET");
            let result = trip.go().await;
            if is_read && self.next.swap(false, Ordering::SeqCst) {
                self.held.notify_one();
                self.go_on.notified().await;
            }
            result
        })
    }
}

#[tokio::test]
async fn no_value_is_absent_whoever_was_loading() {
    let redis = RedisServer::start();
    let caches = [0; 2].map(|_| Cache::new(redis.client()));
    let entry = EntryOptions::new(Duration::from_millis(1)).stale_if_error(Duration::from_secs(60));
    let asked = keys(0..2);
    caches[0].set_many(asked.iter().map(|key| (key, &7)), entry.clone()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    // Somebody else holds the lease of one of them, and gives it up.
    let guard = caches[1].begin_store(&asked[1], MINUTE).await.unwrap().unwrap();
    let calls = AtomicUsize::new(0);
    let load = |_| {
        calls.fetch_add(1, Ordering::SeqCst);
        async { Ok::<Vec<(Key, usize)>, std::io::Error>(Vec::new()) }
    };
    let many = caches[0].get_or_load_many(&asked, entry, load);
    let release = async {
        until(async || calls.load(Ordering::SeqCst) > 0).await;
        guard.release().await;
    };
    let (found, ()) = futures_util::join!(many, release);
    assert_eq!((found.unwrap(), calls.into_inner()), (HashMap::new(), 2));
}
