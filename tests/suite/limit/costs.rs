//! What decisions cost in commands, and what clocks and memory change about it.

use std::time::Duration;

use edgecask::limit::{Clock, Policy, RateLimiter, Reason, Request};
use edgecask::prelude::*;
use edgecask_tests::{RedisServer, until};

use super::{Everywhere, Hands, MINUTE, Meter, SECOND, native, plain};

fn each() -> [Policy; 4] {
    [
        Policy::fixed_window(3, MINUTE),
        Policy::sliding_window(3, MINUTE),
        Policy::token_bucket(3, MINUTE, 3),
        Policy::gcra(3, MINUTE),
    ]
}

#[tokio::test]
async fn a_decision_is_one_command_and_a_blocked_one_none() {
    let everywhere = Everywhere::start().await;
    for (name, client) in &everywhere.clients {
        client.flushall().await.unwrap();
        for policy in each() {
            let what = format!("{name}, {}", policy.name());
            let meter = Meter::default();
            // By the test's clock no window ends on the way.
            let hands = Hands::at(1_790_000_000_000 / 60_000 * 60_000);
            let limiter = RateLimiter::builder(meter.on(client.clone()))
                .policy(policy.prefix(name))
                .clock(hands.clock())
                .timeout(MINUTE)
                .build()
                .unwrap();
            let id = what.clone();
            let _ = limiter.remaining(&id).await.unwrap();
            meter.read();
            for _ in 0..3 {
                assert!(limiter.limit(&id).await.unwrap().is_allowed(), "{what}");
                assert_eq!(meter.read(), 1, "{what}");
            }
            let refused = limiter.limit(&id).await.unwrap();
            assert_eq!((refused.reason(), meter.read()), (Reason::Exceeded, 1), "{what}");
            for _ in 0..3 {
                let refused = limiter.limit(&id).await.unwrap();
                assert_eq!((refused.reason(), meter.read()), (Reason::Blocked, 0), "{what}");
                assert_eq!((refused.limit(), refused.remaining()), (3, 0), "{what}");
                assert!(refused.retry_after() > Some(Duration::ZERO), "{what}");
            }
            // The block ends when there is room.
            hands.move_by(refused.retry_after().unwrap().as_micros().div_ceil(1000) as u64);
            assert!(limiter.limit(&id).await.unwrap().is_allowed(), "{what}");
            // What is given back ends it at once.
            while limiter.limit(&id).await.unwrap().is_allowed() {}
            assert_eq!(limiter.limit(&id).await.unwrap().reason(), Reason::Blocked, "{what}");
            let _ = limiter.refund(&id).await.unwrap();
            assert!(limiter.limit(&id).await.unwrap().is_allowed(), "{what}");
            // And so does a reset, which is one command.
            while limiter.limit(&id).await.unwrap().is_allowed() {}
            meter.read();
            limiter.reset(&id).await.unwrap();
            assert_eq!(meter.read(), 1, "{what}");
            assert_eq!(limiter.remaining(&id).await.unwrap().remaining(), 3, "{what}");
            let stats = limiter.stats();
            assert!(stats.allowed >= 5 && stats.blocked >= 4 && stats.exceeded >= 2, "{stats:?}");
        }
    }
    everywhere.stop().await;
}

#[tokio::test]
async fn a_refusal_of_a_costly_call_blocks_no_cheap_one() {
    let limiter = RateLimiter::builder(native())
        .policy(Policy::fixed_window(5, MINUTE * 60))
        .build()
        .unwrap();
    assert!(limiter.limit_by("a", 4).await.unwrap().is_allowed());
    assert!(!limiter.limit_by("a", 2).await.unwrap().is_allowed());
    assert!(limiter.limit_by("a", 1).await.unwrap().is_allowed());
    let never = limiter.limit_by("a", 6).await.unwrap();
    assert_eq!((never.is_allowed(), never.retry_after()), (false, None));
}

#[tokio::test]
async fn a_cached_window_sends_little_and_decides_at_once() {
    let redis = RedisServer::start();
    let meter = Meter::default();
    let hands = Hands::at(1_790_000_000_000 / 60_000 * 60_000);
    let limiter = RateLimiter::builder(meter.on(redis.client()))
        .policy(Policy::cached_fixed_window(100, MINUTE))
        .clock(hands.clock())
        .timeout(MINUTE)
        .build()
        .unwrap();
    let mut admitted = 0;
    for _ in 0..150 {
        admitted += u32::from(limiter.limit("a").await.unwrap().is_allowed());
    }
    assert_eq!(admitted, 100);
    let sent = meter.read();
    assert!(sent < 100, "{sent} commands: additions go together");
    let client = redis.client();
    let key = format!("@upstash/ratelimit:a:{}", hands.now() / 60_000);
    until(async || client.get::<i64>(&key).await.unwrap() == Some(100)).await;
    let left: i64 = client.execute(Command::new("PTTL").arg(&key)).await.unwrap();
    assert!(left > 0, "the key has a time to live: {left}");
    // Another process begins with what Redis has.
    let other = plain(&client, Policy::cached_fixed_window(100, MINUTE))
        .clock(hands.clock())
        .build()
        .unwrap();
    let refused = other.limit("a").await.unwrap();
    assert_eq!((refused.is_allowed(), refused.remaining()), (false, 0));
    hands.move_by(60_000);
    assert!(limiter.limit("a").await.unwrap().is_allowed());
}

#[tokio::test]
async fn the_servers_clock_decides_for_clients_whose_clocks_are_wrong() {
    let redis = RedisServer::start();
    // The first question of a client whose clock is wrong is asked a second time.
    for policy in each() {
        let limiter = plain(&redis.client(), policy.prefix("server")).build().unwrap();
        for _ in 0..3 {
            assert!(limiter.limit("a").await.unwrap().is_allowed());
        }
        let _ = limiter.reset("a").await.unwrap();
    }
    // By its own clock, a client that is 30 s ahead would have another window.
    let ahead = plain(&redis.client(), Policy::fixed_window(3, MINUTE))
        .clock(Clock::custom(|| edgecask::platform::unix_millis() + 60_000))
        .build()
        .unwrap();
    assert!(ahead.limit("b").await.unwrap().is_allowed());
    let keys: Vec<String> = redis.client().keys("*:b:*").await.unwrap();
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn windows_that_end_on_the_way_are_asked_for_again() {
    let everywhere = Everywhere::start().await;
    for (name, client) in &everywhere.clients {
        // Windows of a few milliseconds end all the time.
        let limiter =
            plain(client, Policy::fixed_window(1000, Duration::from_millis(3))).build().unwrap();
        for _ in 0..100 {
            let decision = limiter.limit(*name).await.unwrap();
            assert!(decision.is_allowed() && decision.failure().is_none(), "{name}: {decision:?}");
        }
    }
    everywhere.stop().await;
}

#[tokio::test]
async fn waiting_is_bounded_and_ends_when_there_is_room() {
    let limiter = plain(&native(), Policy::gcra(50, SECOND).burst(1)).build().unwrap();
    for _ in 0..5 {
        assert!(limiter.wait_until_ready("a", MINUTE).await.unwrap().is_allowed());
    }
    let slow = plain(&native(), Policy::fixed_window(1, MINUTE * 60 * 24 * 300)).build().unwrap();
    assert!(slow.wait_until_ready("a", SECOND).await.unwrap().is_allowed());
    let start = std::time::Instant::now();
    assert!(!slow.wait_until_ready("a", MINUTE).await.unwrap().is_allowed());
    let costly = Request::new("a").cost(2);
    assert!(!slow.wait_until_ready(costly, MINUTE).await.unwrap().is_allowed());
    assert!(start.elapsed() < MINUTE, "it does not wait for what it will not see");
}

/// Many tasks at the same moment: exactly as many are admitted as the limit says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_one_too_many_is_admitted_at_the_same_time() {
    let everywhere = Everywhere::start().await;
    for (name, client) in &everywhere.clients {
        client.flushall().await.unwrap();
        for policy in each() {
            let hands = Hands::at(1_790_000_000_000);
            let what = format!("{name}, {}", policy.name());
            let tasks = (0..20).map(|_| {
                let limiter = plain(client, policy.clone().prefix(&what)).clock(hands.clock());
                let limiter = limiter.build().unwrap();
                tokio::spawn(async move {
                    let mut admitted = 0;
                    for _ in 0..5 {
                        admitted += u32::from(limiter.limit("a").await.unwrap().is_allowed());
                    }
                    admitted
                })
            });
            let tasks: Vec<_> = tasks.collect();
            let mut admitted = 0;
            for task in tasks {
                admitted += task.await.unwrap();
            }
            assert_eq!(admitted, 3, "{what}");
        }
    }
    everywhere.stop().await;
}
