//! Fencing tokens grow over holders, whatever becomes of their counter, and a store that checks them refuses the stale.

use std::path::Path;
use std::time::Duration;

use edgecask::lock::{FencedStore, LockError};
use edgecask::prelude::*;
use edgecask_tests::{Place, Postgrest, RedisServer, until};

use super::{at_once, key, lasting};

const COUNTER: &str = "edgecask:fence:{k}";

#[tokio::test]
async fn a_lost_counter_is_noticed_and_its_tokens_grow_on() {
    for place in Place::all().await {
        let (direct, name) = (place.client(), place.name);
        let lock = lasting(place.client()).lock(key("k"));
        let mut last = 0;
        let mut next = async |lost: bool, first: bool| {
            let guard = lock.acquire().await.unwrap();
            assert!(guard.fence() > last, "{name}: {} after {last}", guard.fence());
            assert_eq!((guard.counter_was_lost(), guard.is_first()), (lost, first), "{name}");
            last = guard.fence();
            guard.release().await.unwrap();
            last
        };
        next(false, true).await;
        let backup = next(false, false).await;
        next(false, false).await;
        // Evicted.
        direct.del([COUNTER]).await.unwrap();
        next(true, true).await;
        next(false, false).await;
        // An old backup is restored.
        direct.set(COUNTER, backup).await.unwrap();
        next(true, true).await;
        direct.set(COUNTER, "7").await.unwrap();
        next(true, true).await;
        // What is no number is no counter.
        direct.set(COUNTER, "not a number").await.unwrap();
        next(true, true).await;
        direct.flushall().await.unwrap();
        let largest = next(true, true).await;
        // Another process knows nothing of what was, and its token is larger all the same.
        direct.flushall().await.unwrap();
        let other = lasting(place.client()).lock(key("k")).acquire().await.unwrap();
        assert!(other.fence() > largest && other.is_first(), "{name}");
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_set_the_tokens_back() {
    for place in Place::all().await {
        let (direct, lock) = (place.client(), lasting(place.client()).lock(key("k")));
        // The clock was ahead by 30 seconds when this token was given.
        let clock: Vec<u64> = direct.execute(cmd("TIME")).await.unwrap();
        let ahead = (clock[0] + 30) * 1_000_000;
        direct.set(COUNTER, ahead).await.unwrap();
        let guard = lock.acquire().await.unwrap();
        assert_eq!(guard.fence(), ahead + 1, "{}", place.name);
        guard.release().await.unwrap();
        // The counter is lost besides: this process knows the token, and stays above it.
        direct.flushall().await.unwrap();
        let guard = lock.acquire().await.unwrap();
        assert_eq!((guard.fence(), guard.counter_was_lost()), (ahead + 2, true), "{}", place.name);
        guard.release().await.unwrap();
        // Beyond the integers that are exact everywhere, there is no token, and no lock.
        direct.set(COUNTER, "9007199254740990").await.unwrap();
        assert!(lock.try_acquire().await.is_err());
        assert!(!lock.is_locked().await.unwrap(), "{}", place.name);
    }
}

#[tokio::test]
async fn a_counter_expires_if_that_is_asked_for() {
    for place in Place::all().await {
        let (direct, locks) = (place.client(), lasting(place.client()));
        locks.lock(key("k")).acquire().await.unwrap().release().await.unwrap();
        let ttl = async || direct.execute::<i64>(cmd("TTL").arg(COUNTER)).await.unwrap();
        assert_eq!(ttl().await, -1, "{}", place.name);
        let days = locks.configured(|options| options.fence_ttl(Duration::from_secs(864_000)));
        days.lock(key("k")).acquire().await.unwrap().release().await.unwrap();
        assert!(ttl().await > 800_000, "{}", place.name);
    }
}

/// All handles of a lock know what one of them has seen.
#[tokio::test]
async fn tokens_stay_above_all_that_the_process_has_seen() {
    for place in Place::all().await {
        let (direct, locks) = (place.client(), lasting(place.client()));
        let clock: Vec<u64> = direct.execute(cmd("TIME")).await.unwrap();
        let ahead = (clock[0] + 30) * 1_000_000;
        direct.set(COUNTER, ahead).await.unwrap();
        locks.lock(key("k")).acquire().await.unwrap().release().await.unwrap();
        direct.flushall().await.unwrap();
        let guard = locks.clone().read_write(key("k")).read().await.unwrap();
        assert_eq!((guard.fence(), guard.counter_was_lost()), (ahead + 2, true), "{}", place.name);
        // Another lock has a counter of its own.
        let other = locks.lock(key("other")).acquire().await.unwrap();
        assert!(other.fence() < ahead && !other.counter_was_lost(), "{}", place.name);
    }
}

#[tokio::test]
async fn a_counter_that_has_expired_by_itself_was_not_lost() {
    at_once(async |place| {
        let (direct, locks) = (place.client(), lasting(place.client()));
        let locks = locks.configured(|options| options.fence_ttl(Duration::from_secs(1)));
        let mut last = 0;
        let mut next = async || {
            let guard = locks.lock(key("k")).acquire().await.unwrap();
            assert!(guard.fence() > last, "{}", place.name);
            last = guard.fence();
            let seen = (guard.counter_was_lost(), guard.is_first());
            guard.release().await.unwrap();
            seen
        };
        assert_eq!(next().await, (false, true), "{}", place.name);
        until(async || direct.exists([COUNTER]).await.unwrap() == 0).await;
        assert_eq!(next().await, (false, true), "{}: it has expired", place.name);
        // One that would still be there was lost.
        let lasting = locks.configured(|options| options.fence_ttl(Duration::from_secs(3600)));
        direct.del([COUNTER]).await.unwrap();
        let guard = lasting.lock(key("k")).acquire().await.unwrap();
        assert!(guard.counter_was_lost() && guard.fence() > last, "{}", place.name);
    })
    .await;
}

#[tokio::test]
async fn a_store_refuses_former_holders() {
    for place in Place::all().await {
        let (direct, value) = (place.client(), key("value"));
        let store = FencedStore::new(place.client());
        assert_eq!(store.get::<String>(&value).await.unwrap(), None);
        store.set(&value, 20, "b").await.unwrap();
        let stale = store.set(&value, 19, "a").await.unwrap_err();
        assert!(matches!(stale, LockError::Stale { newest: 20, .. }), "{stale:?}");
        assert!(store.remove(&value, 19).await.is_err());
        store.set(&value, 20, "c").await.unwrap();
        assert_eq!(store.get::<String>(&value).await.unwrap().as_deref(), Some("c"));
        store.remove(&value, 21).await.unwrap();
        assert!(store.set(&value, 20, "late").await.is_err(), "{}", place.name);
        assert_eq!(store.get::<String>(&value).await.unwrap(), None);
        assert_eq!(store.fence(&value).await.unwrap(), Some(21));
        // A holder that claims the value shuts out those before it, and changes nothing.
        store.set(&value, 22, "d").await.unwrap();
        store.claim(&value, 23).await.unwrap();
        assert!(store.claim(&value, 22).await.is_err());
        assert!(store.set(&value, 22, "late").await.is_err());
        assert_eq!(store.get::<String>(&value).await.unwrap().as_deref(), Some("d"));
        store.set(&value, (1 << 53) - 1, b"\xff\0".as_slice()).await.unwrap();
        assert!(store.set(&value, (1 << 53) - 2, "late").await.is_err(), "{}", place.name);
        // What is not understood is not overwritten.
        direct.hset("value", [("fence", "garbage")]).await.unwrap();
        let refused = store.set(&value, u64::MAX >> 1, "x").await.unwrap_err();
        assert!(matches!(refused, LockError::Redis(_)), "{refused:?}");
        assert_eq!(store.get::<Vec<u8>>(&value).await.unwrap().as_deref(), Some(&b"\xff\0"[..]));
    }
}

/// A Redis that is full evicts what it can, and refuses a lock where it can evict nothing.
#[tokio::test]
async fn a_full_redis_gives_no_lock_away_and_releases_all_the_same() {
    let redis = RedisServer::with(["--save", "", "--maxmemory-policy", "noeviction"]);
    let (direct, locks) = (redis.client(), lasting(redis.client()));
    let guards = [
        locks.lock(key("k")).acquire().await.unwrap(),
        locks.semaphore(key("s"), 2).acquire().await.unwrap(),
        locks.semaphore(key("s"), 2).acquire().await.unwrap(),
        locks.read_write(key("rw")).read().await.unwrap(),
    ];
    direct.execute::<()>(cmd("CONFIG").args_from(["SET", "maxmemory", "1"])).await.unwrap();
    assert!(lasting(redis.client()).lock(key("other")).try_acquire().await.is_err());
    for guard in guards {
        guard.renew().await.unwrap();
        assert!(guard.release().await.unwrap());
    }
    assert_eq!(direct.exists(["k", "s", "rw", "other"]).await.unwrap(), 0);
}

/// The SQL that the guide gives to be copied.
#[tokio::test]
async fn the_sql_of_the_guide_refuses_former_holders() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("../docs/locks.md")).unwrap();
    let (_, sql) = guide.split_once("```sql\n").unwrap();
    let (sql, _) = sql.split_once("```").unwrap();
    let statements: Vec<&str> = sql.split(';').map(str::trim).collect();
    let [table, claim, write, ""] = statements[..] else { panic!("{statements:?}") };
    let server = match Postgrest::start(&[&root.join("suite/supabase/platform.sql")]) {
        Ok(server) => server,
        Err(what_to_do) => return eprintln!("{what_to_do}"),
    };
    server.sql(table);
    let run = |statement: &str, fence: u64, total: i64| {
        let with = |text: &str, name: &str, value: String| text.replace(name, &value);
        let statement = with(statement, "$1", "'ada'".to_owned());
        let statement = with(&statement, "$2", fence.to_string());
        server.sql(&with(&statement, "$3", total.to_string()))
    };
    // `psql` ends with what was done: no row if it was refused.
    let taken = |answer: String| !answer.trim().is_empty() && !answer.contains("INSERT 0 0");
    assert!(taken(run(claim, 20, 0)));
    assert!(taken(run(write, 20, 100)));
    assert!(taken(run(write, 20, 101)));
    assert!(!taken(run(write, 19, 1)) && !taken(run(claim, 19, 0)));
    let answer = run(claim, 1_795_962_717_223_213, 0);
    assert!(answer.contains("101"), "{answer}");
    assert!(!taken(run(write, 20, 2)));
    let total = server.sql("select total from totals");
    assert!(total.contains("101"), "{total}");
}
