//! Taking, holding, losing and releasing a lock.

use std::time::Duration;

use edgecask::lock::{LockError, LockOptions, Locks, Loss};
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Error, ErrorKind, Outcome};
use edgecask_tests::{Count, Place, RedisCluster, RedisServer, free_port, until};

use super::{at_once, key, lasting};

#[tokio::test]
async fn one_holder_at_a_time_has_a_lock() {
    for place in Place::all().await {
        let name = place.name;
        let [one, other] = [0; 2].map(|_| lasting(place.client()).lock(key("lock:t:1")));
        let guard = one.try_acquire().await.unwrap();
        assert!(guard.is_held() && guard.is_first() && !guard.counter_was_lost(), "{name}");
        let direct = place.client();
        let stored: Option<String> = direct.get("lock:t:1").await.unwrap();
        assert_eq!(stored.as_deref(), Some(guard.token()), "{name}: others can read it");
        assert!(direct.ttl("lock:t:1").await.is_ok(), "{name}");
        match other.try_acquire().await {
            Err(LockError::Held { key, left: Some(left) }) => {
                assert_eq!(key.as_str(), "lock:t:1");
                assert!(left > Duration::from_secs(3000), "{name}: {left:?}");
            }
            unexpected => panic!("{name}: {unexpected:?}"),
        }
        assert!(other.is_locked().await.unwrap());
        guard.renew().await.unwrap();
        let first = guard.fence();
        assert!(guard.release().await.unwrap(), "{name}");
        assert!(!other.is_locked().await.unwrap());
        let guard = other.try_acquire().await.unwrap();
        assert!(guard.fence() > first && !guard.is_first(), "{name}");
        let lost = guard.lost();
        drop(guard);
        assert_eq!(lost.await, Loss::Released);
        until(async || direct.exists(["lock:t:1"]).await.unwrap() == 0).await;
    }
}

#[tokio::test]
async fn programs_in_other_languages_are_kept_out_and_keep_out() {
    for place in Place::all().await {
        let (direct, lock) = (place.client(), lasting(place.client()).lock(key("k")));
        let set = async |value: &str| {
            let set = cmd("SET").args_from(["k", value, "NX", "PX", "3600000"]);
            direct.execute::<Option<String>>(set).await.unwrap().is_some()
        };
        assert!(set("theirs").await);
        assert!(matches!(lock.try_acquire().await, Err(LockError::Held { .. })));
        direct.del(["k"]).await.unwrap();
        let guard = lock.try_acquire().await.unwrap();
        assert!(!set("theirs").await);
        // Whoever deletes what is not his breaks the lock, and the holder notices.
        direct.del(["k"]).await.unwrap();
        assert!(set("theirs").await);
        let lost = guard.renew().await.unwrap_err();
        assert!(matches!(lost, LockError::Lost { why: Loss::Gone, .. }), "{lost:?}");
        assert!(!guard.is_held() && guard.remaining() == Duration::ZERO);
        assert!(!guard.release().await.unwrap(), "it was not held any more");
        let theirs: Option<String> = direct.get("k").await.unwrap();
        assert_eq!(theirs.as_deref(), Some("theirs"), "{}", place.name);
        // A holder without an expiry has no known end.
        direct.set("k", "for ever").await.unwrap();
        let held = lock.try_acquire().await.unwrap_err();
        assert!(matches!(held, LockError::Held { left: None, .. }), "{held:?}");
    }
}

#[tokio::test]
async fn a_held_lock_is_renewed_until_it_is_released() {
    at_once(async |place| {
        let options = LockOptions::new().ttl(Duration::from_secs(3));
        let (direct, lock) =
            (place.client(), Locks::with_options(place.client(), options).lock(key("k")));
        let guard = lock.acquire().await.unwrap();
        for _ in 0..2 {
            let mut left = i64::MAX;
            until(async || {
                let now: i64 = direct.execute(cmd("PTTL").arg("k")).await.unwrap();
                let before = std::mem::replace(&mut left, now);
                tokio::time::sleep(Duration::from_millis(2)).await;
                now > before
            })
            .await;
        }
        assert!(guard.is_held(), "{}", place.name);
        assert_eq!(guard.while_held(async { 7 }).await.unwrap(), 7);
        assert!(guard.release().await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_loss_is_seen_whatever_took_the_lock() {
    at_once(async |place| {
        let (direct, name) = (place.client(), place.name);
        let options = LockOptions::new().ttl(Duration::from_secs(3));
        let locks = Locks::with_options(place.client(), options);
        // Evicted, or Redis came back empty.
        let guard = locks.lock(key("a")).acquire().await.unwrap();
        direct.del(["a"]).await.unwrap();
        let stopped = guard.while_held(std::future::pending::<()>()).await.unwrap_err();
        assert!(matches!(stopped, LockError::Lost { why: Loss::Gone, .. }), "{name}: {stopped:?}");
        assert_eq!(guard.lost().await, Loss::Gone);
        // Held for too long.
        let limited = locks.configured(|options| options.max_hold(Duration::from_millis(500)));
        let guard = limited.lock(key("b")).acquire().await.unwrap();
        assert_eq!(guard.lost().await, Loss::Limit, "{name}");
        until(async || direct.exists(["b"]).await.unwrap() == 0).await;
        // Not renewed.
        let unrenewed =
            locks.configured(|options| options.renew(false).ttl(Duration::from_millis(300)));
        let guard = unrenewed.lock(key("c")).acquire().await.unwrap();
        assert_eq!(guard.lost().await, Loss::Expired, "{name}");
        drop(unrenewed.lock(key("c")).acquire().await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_lock_is_lost_when_redis_is_away_for_longer_than_it_lasts() {
    let redis = RedisServer::start();
    let options = LockOptions::new().ttl(Duration::from_millis(400));
    let lock = Locks::with_options(redis.client(), options).lock(key("k"));
    let guard = lock.acquire().await.unwrap();
    redis.pause();
    assert_eq!(guard.lost().await, Loss::Expired);
    assert!(!guard.is_held());
}

#[tokio::test]
async fn a_lock_fails_closed_when_redis_is_away() {
    let away = Client::tcp(&format!("redis://127.0.0.1:{}", free_port())).unwrap();
    // A fallback would be a second server that gives the same lock away.
    let engine = edgecask::transport::memory::MemoryTransport::new();
    let client = away.clone().layer(edgecask::layer::Fallback::to(engine.clone()));
    let locks = lasting(client);
    for error in [
        locks.lock(key("k")).try_acquire().await.unwrap_err(),
        locks.lock(key("k")).acquire().await.unwrap_err(),
        locks.semaphore(key("s"), 3).acquire().await.unwrap_err(),
        locks.read_write(key("r")).read().await.unwrap_err(),
        locks.latch(key("l")).wait(Duration::from_secs(60)).await.unwrap_err(),
        locks.election(key("e"), "me").unwrap().campaign().await.unwrap_err(),
    ] {
        let error = Error::from(error);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
    }
    assert_eq!(Client::new(engine).dbsize().await.unwrap(), 0);
    // What was never sent is not ended either.
    let count = Count::default();
    let lock = lasting(count.of(away)).lock(key("k"));
    assert!(lock.acquire().await.is_err() && lock.try_acquire().await.is_err());
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(count.taken(), 2);
}

#[tokio::test]
async fn a_value_of_another_type_is_no_lock() {
    for place in Place::all().await {
        let direct = place.client();
        direct.rpush("k", ["x"]).await.unwrap();
        let locks = lasting(place.client());
        for error in [
            locks.lock(key("k")).try_acquire().await.unwrap_err(),
            locks.semaphore(key("k"), 2).acquire().await.unwrap_err(),
        ] {
            let error = Error::from(error);
            assert_eq!(error.kind(), ErrorKind::Server, "{}: {error}", place.name);
            assert!(!format!("{error:?}").contains("PX"), "{error:?}");
        }
        assert_eq!(direct.keys::<String>("*").await.unwrap(), ["k"], "{}", place.name);
    }
}

#[tokio::test]
async fn any_key_is_the_key_of_a_lock() {
    for place in Place::all().await {
        let locks = lasting(place.client());
        for name in ["a{b}c", "{}", "a}b", "ä ö\n", "*?[x]", "x:y:z", "{{a}}"] {
            let lock = locks.lock(key(name));
            let guard = lock.acquire().await.unwrap();
            assert!(lock.try_acquire().await.is_err());
            assert!(guard.release().await.unwrap(), "{}: {name}", place.name);
        }
        let named = locks.configured(|options| options.owner("worker:2 ä"));
        let guard = named.lock(key("named")).acquire().await.unwrap();
        assert!(guard.token().starts_with("worker:2 ä:"));
        assert!(guard.release().await.unwrap());
    }
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    for place in Place::all().await {
        let (direct, lock) = (place.client(), lasting(place.client()).lock(key("k")));
        for _ in 0..2 {
            direct.script_flush().await.unwrap();
            let guard = lock.acquire().await.unwrap();
            direct.script_flush().await.unwrap();
            guard.renew().await.unwrap();
            direct.script_flush().await.unwrap();
            assert!(guard.release().await.unwrap(), "{}", place.name);
        }
    }
}

#[tokio::test]
async fn the_keys_of_a_lock_are_in_one_slot_of_a_cluster() {
    let cluster = RedisCluster::start().await;
    let client = Client::new(TcpTransport::new(TcpOptions::cluster(cluster.urls())).unwrap());
    let locks = lasting(client);
    for name in ["k", "a{b}c", "a}b", "{}x", "lock:billing:ada", "lock:{acme}:7"] {
        let lock = locks.lock(key(name));
        let guard = lock.acquire().await.unwrap();
        let waits = lock.clone();
        let waits = tokio::spawn(async move { waits.acquire().await.unwrap().release().await });
        until(async || lock.is_locked().await.unwrap()).await;
        guard.renew().await.unwrap();
        assert!(guard.release().await.unwrap(), "{name}");
        assert!(waits.await.unwrap().unwrap(), "{name}");
        let latch = locks.latch(key(&format!("latch:{name}")));
        latch.set(1, Duration::from_secs(60)).await.unwrap();
        assert_eq!(latch.count_down("part").await.unwrap(), 0, "{name}");
        let election = locks.election(key(name), "me").unwrap();
        let leadership = election.campaign().await.unwrap();
        assert_eq!(election.leader().await.unwrap().unwrap().term, leadership.term());
        assert!(leadership.resign().await.unwrap());
    }
}
