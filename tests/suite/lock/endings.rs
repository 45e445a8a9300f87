//! How a hold ends: at its limit, while a renewal is under way, and without the runtime that renewed it.

use std::sync::Arc;
use std::time::Duration;

use edgecask::lock::{LockError, LockOptions, Locks, Loss};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Client, Result};
use edgecask_tests::{Place, RedisServer, Tap, Tapped, Trip, until};
use tokio::sync::Semaphore;

use super::{HOUR, at_once, key, lasting};

async fn left(client: &Client, name: &str) -> i64 {
    client.execute(cmd("PTTL").arg(name)).await.unwrap()
}

#[tokio::test]
async fn no_lock_stays_in_redis_for_longer_than_it_may_be_held() {
    for place in Place::all().await {
        let direct = place.client();
        let locks = lasting(place.client())
            .configured(|options| options.max_hold(Duration::from_secs(600)));
        let guards = [
            locks.lock(key("k")).acquire().await.unwrap(),
            locks.semaphore(key("s"), 2).acquire().await.unwrap(),
        ];
        for (guard, name) in guards.iter().zip(["k", "s"]) {
            assert!(left(&direct, name).await <= 600_000, "{}: {name}", place.name);
            assert!(guard.remaining() <= Duration::from_secs(600));
            guard.renew().await.unwrap();
            assert!(left(&direct, name).await <= 600_000, "{}: {name}", place.name);
        }
    }
}

#[tokio::test]
async fn a_renewal_past_the_limit_is_none() {
    let client = Client::memory();
    let locks = lasting(client).configured(|options| options.max_hold(Duration::from_millis(30)));
    let guard = locks.lock(key("k")).acquire().await.unwrap();
    // The task in the background does not run meanwhile.
    std::thread::sleep(Duration::from_millis(40));
    let lost = guard.renew().await.unwrap_err();
    assert!(matches!(lost, LockError::Lost { why: Loss::Limit, .. }), "{lost:?}");
    assert!(!guard.is_held());
}

/// Keeps answers back until it is told to let one go.
#[derive(Debug, Clone)]
struct Gate(Arc<Semaphore>);

impl Tap for Gate {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let results = trip.go().await;
            self.0.acquire().await.unwrap().forget();
            results
        })
    }
}

#[tokio::test]
async fn a_lock_that_is_lost_during_a_renewal_was_not_renewed() {
    at_once(async |place| {
        let gate = Gate(Arc::new(Semaphore::new(10)));
        let locks = lasting(place.client().layer(Tapped(gate.clone())));
        let locks = locks.configured(|options| options.max_hold(Duration::from_millis(300)));
        let guard = locks.lock(key("k")).acquire().await.unwrap();
        gate.0.forget_permits(10);
        let (lost, renewed) = (guard.lost(), guard.renew());
        let lost = async {
            let why = lost.await;
            gate.0.add_permits(100);
            why
        };
        let (why, renewed) = futures_util::join!(lost, renewed);
        assert_eq!(why, Loss::Limit);
        assert!(matches!(renewed, Err(LockError::Lost { .. })), "{}: {renewed:?}", place.name);
    })
    .await;
}

/// Runs work on a runtime of its own, which has ended when this returns.
fn on_its_own<T: Send + 'static>(work: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work())
    });
    thread.join().unwrap()
}

#[tokio::test]
async fn work_renews_the_lock_whose_runtime_has_ended() {
    let client = Client::memory();
    let options = LockOptions::new().ttl(Duration::from_millis(600));
    let lock = Locks::with_options(client.clone(), options).lock(key("k"));
    let guard = on_its_own(async move || {
        let guard = lock.acquire().await.unwrap();
        // The task that renews it has begun.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        guard
    });
    let renewed = async {
        for _ in 0..2 {
            let mut before = i64::MAX;
            until(async || {
                let now = left(&client, "k").await;
                let was = std::mem::replace(&mut before, now);
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert!(now > 0, "it has expired");
                now > was
            })
            .await;
        }
    };
    guard.while_held(renewed).await.unwrap();
    assert!(guard.release().await.unwrap());
}

#[tokio::test]
async fn waiters_are_woken_though_the_runtime_that_listened_has_ended() {
    let redis = RedisServer::start();
    let options = LockOptions::new().ttl(HOUR).wait(HOUR).waiter_ttl(Duration::from_secs(60));
    let locks = Locks::with_options(redis.client(), options);
    let held = lasting(redis.client()).lock(key("k")).acquire().await.unwrap();
    let first = locks.lock(key("k"));
    let direct = redis.client();
    let listeners = async || {
        let list: Vec<String> = direct.execute(cmd("PUBSUB").arg("CHANNELS")).await.unwrap();
        list.len()
    };
    let url = redis.url();
    on_its_own(async move || {
        // It listens for this waiter.
        let direct = Client::tcp(&url).unwrap();
        let waits = tokio::spawn(async move { first.acquire().await.map(drop) });
        until(async || {
            let list: Vec<String> = direct.execute(cmd("PUBSUB").arg("CHANNELS")).await.unwrap();
            list.len() == 1
        })
        .await;
        waits.abort();
        // A dead waiter would be waited for.
        until(async || direct.exists(["edgecask:queue:{k}"]).await.unwrap() == 0).await;
    });
    until(async || listeners().await == 0).await;
    let second = locks.lock(key("k"));
    let waits = tokio::spawn(async move { second.acquire().await.unwrap().release().await });
    // Another subscription has begun, on this runtime.
    until(async || {
        assert!(!waits.is_finished());
        listeners().await == 1
    })
    .await;
    assert!(held.release().await.unwrap());
    assert!(waits.await.unwrap().unwrap());
}
