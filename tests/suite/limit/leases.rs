//! Concurrency: as many as the limit at the same time, through dropped permits, dead holders and lost answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use edgecask::ErrorKind;
use edgecask::limit::{Clock, Policy, RateLimiter, Request};
use edgecask::prelude::*;
use edgecask_tests::{Count, Place, until};

use super::{Gate, Hands, MINUTE, native, plain};

/// Longer than a test waits: what is free was given back.
const TTL: Duration = Duration::from_secs(3600);

fn limiter(client: &Client) -> RateLimiter {
    plain(client, Policy::concurrency(2, TTL).prefix("jobs")).build().unwrap()
}

#[tokio::test]
async fn permits_are_given_back_and_dropped() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        let count = Count::default();
        let limiter = limiter(&count.of(client.clone()));
        let first = limiter.acquire("a").await.unwrap().unwrap();
        assert_eq!(first.decision().remaining(), 1, "{name}");
        count.taken();
        let second = limiter.acquire("a").await.unwrap().unwrap();
        assert_eq!(count.taken(), 1, "{name}: one command");
        let refused = limiter.acquire("a").await.unwrap().unwrap_err();
        assert_eq!((refused.limit(), refused.remaining()), (2, 0), "{name}");
        let wait = refused.retry_after().unwrap();
        assert!(
            wait <= TTL && wait > TTL / 2,
            "{name}: the first lease ends by itself in {wait:?}"
        );
        let other = limiter.acquire("b").await.unwrap().unwrap();
        assert_eq!(other.decision().remaining(), 1, "{name}: another identifier has its own");
        count.taken();
        assert!(first.renew().await.unwrap(), "{name}");
        assert!(first.release().await.unwrap(), "{name}");
        assert_eq!(count.taken(), 2, "{name}");
        drop(second);
        until(async || limiter.remaining("a").await.unwrap().remaining() == 2).await;
        assert_eq!(client.exists(["jobs:a"]).await.unwrap(), 0, "{name}");
        assert_eq!(limiter.limit("a").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn permits_of_several_policies_return_in_one_round_trip() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        let (gate, count) = (Gate::open(), Count::default());
        let limiter = plain(&gate.of(&count.of(client.clone())), Policy::concurrency(2, TTL));
        let limiter = limiter
            .policy(Policy::concurrency(3, TTL).shared("all").prefix("all").named("all"))
            .build()
            .unwrap();
        let permits = async || {
            let permit = limiter.acquire("a").await.unwrap().unwrap();
            (count.taken(), gate.came(), permit)
        };
        let (_, came, permit) = permits().await;
        assert!(permit.release().await.unwrap(), "{name}");
        assert_eq!((count.taken(), gate.came()), (2, came + 1), "{name}");
        let (sent, came, permit) = permits().await;
        assert_eq!(sent, 1, "{name}");
        drop(permit);
        until(async || gate.came() == came + 1).await;
        assert_eq!(count.taken(), 2, "{name}");
        until(async || client.dbsize().await.unwrap() == 0).await;
        // One of them is gone, and a key of another type does not keep the other from returning.
        let (.., permit) = permits().await;
        client.del(["edgecask:concurrency:a"]).await.unwrap();
        assert!(!permit.release().await.unwrap(), "{name}");
        let (.., permit) = permits().await;
        client.set("edgecask:concurrency:a", "x").await.unwrap();
        assert!(permit.release().await.is_err(), "{name}");
        assert_eq!(client.exists(["all:all"]).await.unwrap(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_lease_whose_holder_died_returns_by_itself() {
    let client = native();
    let hands = Hands::at(1_790_000_000_000);
    let limiter =
        plain(&client, Policy::concurrency(1, MINUTE)).clock(hands.clock()).build().unwrap();
    let lost = limiter.acquire("a").await.unwrap().unwrap();
    hands.move_by(59_999);
    assert!(limiter.acquire("a").await.unwrap().is_err());
    hands.move_by(1);
    let next = limiter.acquire("a").await.unwrap().unwrap();
    assert!(!lost.renew().await.unwrap(), "another holds it");
    assert!(!lost.release().await.unwrap());
    assert!(next.renew().await.unwrap(), "the late release took nothing from the next holder");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_more_than_the_limit_at_the_same_time() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        let (now, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (limiter, now, most) = (limiter(client), Arc::clone(&now), Arc::clone(&most));
                tokio::spawn(async move {
                    let permit = limiter.acquire_within("a", MINUTE).await.unwrap().unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    permit.release().await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{name}");
    }
}

/// A lease that was evicted is noticed, and a Redis that comes back empty gives permits again.
#[tokio::test]
async fn leases_and_scripts_may_be_lost() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        let limiter = limiter(client);
        let (one, two) = (
            limiter.acquire("a").await.unwrap().unwrap(),
            limiter.acquire("a").await.unwrap().unwrap(),
        );
        client.del(["jobs:a"]).await.unwrap();
        client.script_flush().await.unwrap();
        assert!(one.renew().await.unwrap(), "{name}: it is free, and so it is taken again");
        let third = limiter.acquire("a").await.unwrap().unwrap();
        assert!(!two.renew().await.unwrap(), "{name}: others have the leases");
        assert!(limiter.acquire("a").await.unwrap().is_err(), "{name}");
        assert!(!two.release().await.unwrap(), "{name}");
        client.flushall().await.unwrap();
        client.script_flush().await.unwrap();
        assert!(!third.release().await.unwrap(), "{name}");
        let again = limiter.acquire("a").await.unwrap().unwrap();
        assert_eq!(again.decision().remaining(), 1, "{name}");
    }
}

/// A caller that gives up while its request is under way leaves no lease behind.
#[tokio::test]
async fn a_cancelled_acquire_is_given_back() {
    let redis = edgecask_tests::RedisServer::start();
    let limiter = limiter(&redis.client());
    drop(limiter.acquire("a").await.unwrap().unwrap());
    for _ in 0..20 {
        let acquire = limiter.acquire("a");
        // It is sent when it is polled for the first time.
        let _ = tokio::time::timeout(Duration::from_micros(1), acquire).await;
    }
    until(async || limiter.remaining("a").await.unwrap().remaining() == 2).await;
}

#[tokio::test]
async fn a_permit_has_no_identity_and_its_time_is_the_servers() {
    let limiter = limiter(&native());
    let error = limiter.acquire(Request::new("a").id("1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let wrong = plain(&native(), Policy::concurrency(1, TTL)).clock(Clock::process());
    assert_eq!(wrong.build().unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_release_that_is_cancelled_returns_the_lease() {
    let redis = edgecask_tests::RedisServer::start();
    let limiter = limiter(&redis.client());
    let permit = limiter.acquire("a").await.unwrap().unwrap();
    // It is dropped before it is polled.
    drop(permit.release());
    until(async || limiter.remaining("a").await.unwrap().remaining() == 2).await;
}

#[tokio::test]
async fn an_unreachable_server_gives_permits_by_choice() {
    let client =
        Client::tcp(&format!("redis://127.0.0.1:{}", edgecask_tests::free_port())).unwrap();
    let permit = limiter(&client).acquire("a").await.unwrap().unwrap();
    assert!(permit.decision().failure().is_some());
    assert!(permit.release().await.is_err());
}
