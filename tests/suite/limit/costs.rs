//! What decisions cost in commands, and what clocks and memory change about it.

use std::time::Duration;

use edgecask::limit::{Policy, RateLimiter, Reason, Request};
use edgecask::prelude::*;
use edgecask::transport::tcp::TcpOptions;
use edgecask_tests::{Count, MovedClock, Place, RedisCluster, RedisServer, until};

use super::{Hands, MINUTE, SECOND, native, plain};
use crate::seeded::again;

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
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        for policy in each() {
            let what = format!("{name}, {}", policy.name());
            let count = Count::default();
            // By the test's clock no window ends on the way.
            let hands = Hands::at(1_790_000_000_000 / 60_000 * 60_000);
            let limiter = RateLimiter::builder(count.of(client.clone()))
                .policy(policy.prefix(name))
                .clock(hands.clock())
                .timeout(MINUTE)
                .build()
                .unwrap();
            let id = what.clone();
            let _ = limiter.remaining(&id).await.unwrap();
            count.taken();
            for _ in 0..3 {
                assert!(limiter.limit(&id).await.unwrap().is_allowed(), "{what}");
                assert_eq!(count.taken(), 1, "{what}");
            }
            let refused = limiter.limit(&id).await.unwrap();
            assert_eq!((refused.reason(), count.taken()), (Reason::Exceeded, 1), "{what}");
            for _ in 0..3 {
                let refused = limiter.limit(&id).await.unwrap();
                assert_eq!((refused.reason(), count.taken()), (Reason::Blocked, 0), "{what}");
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
            count.taken();
            limiter.reset(&id).await.unwrap();
            assert_eq!(count.taken(), 1, "{what}");
            assert_eq!(limiter.remaining(&id).await.unwrap().remaining(), 3, "{what}");
            let stats = limiter.stats();
            assert!(stats.allowed >= 5 && stats.blocked >= 4 && stats.exceeded >= 2, "{stats:?}");
        }
    }
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
    let count = Count::default();
    let hands = Hands::at(1_790_000_000_000 / 60_000 * 60_000);
    let limiter = RateLimiter::builder(count.of(redis.client()))
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
    let sent = count.taken();
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

/// A script that was told the keys of another window than the server is in counts nothing, and says what time it is.
#[tokio::test]
async fn the_servers_clock_decides_for_clients_whose_clocks_are_wrong() {
    let script = edgecask::scripts().find(|script| script.source().contains("SMISMEMBER")).unwrap();
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        for wrong in [0, 1, 99_999_999] {
            let wrong = wrong.to_string();
            let args = ["take", "", "0", "0", "fixed", "1", "5", "60000", "", &wrong, "0", "", ""];
            let reply: String = client.run_script(script, ["k"], args).await.unwrap();
            let (now, moved) = reply.split_once(' ').unwrap();
            assert_eq!(moved, "-1", "{name}: {reply}");
            let now = now.parse::<u64>().unwrap() / 1_000_000;
            let here = edgecask::platform::unix_millis() / 1000;
            assert!(now.abs_diff(here) < 60, "{name}: {reply}");
        }
        assert_eq!(client.dbsize().await.unwrap(), 0, "{name}");
        // A limiter then asks with the server's window.
        let limiter = plain(client, Policy::fixed_window(3, MINUTE)).build().unwrap();
        assert!(limiter.limit("a").await.unwrap().is_allowed(), "{name}");
        let stored: Vec<String> = client.keys("*:a:*").await.unwrap();
        let window = stored[0].rsplit(':').next().unwrap().parse::<u64>().unwrap();
        assert!(window.abs_diff(edgecask::platform::unix_millis() / 60_000) <= 1, "{name}");
    }
}

/// A reset deletes the windows of the server's clock. A limiter that has had no reply yet asks for it.
#[tokio::test]
async fn a_reset_by_a_client_whose_clock_is_wrong_deletes_the_servers_windows() {
    const NAME: &str =
        "limit::costs::a_reset_by_a_client_whose_clock_is_wrong_deletes_the_servers_windows";
    const REDIS: &str = "EDGECASK_TEST_REDIS";
    // No window ends while the test runs.
    let day = MINUTE * 60 * 24;
    let limiters = |client: &Client| {
        let each = [Policy::fixed_window(1, day * 300), Policy::sliding_window(1, day * 300)];
        each.map(|policy| {
            let prefix = policy.name().to_owned();
            plain(client, policy.prefix(&prefix)).build().unwrap()
        })
    };
    if let Ok(url) = std::env::var(REDIS) {
        for limiter in limiters(&Client::tcp(&url).unwrap()) {
            limiter.reset("a").await.unwrap();
        }
        return;
    }
    let (redis, folder) = (RedisServer::start(), tempfile::tempdir().unwrap());
    let (client, clock) = (redis.client(), MovedClock::new(folder.path()));
    for days in [0, -1500, 1500] {
        clock.set(days * 86_400);
        for limiter in limiters(&client) {
            assert!(limiter.limit("a").await.unwrap().is_allowed(), "{days}");
            assert!(!limiter.limit("a").await.unwrap().is_allowed(), "{days}");
        }
        let mut process = again(NAME, &[(REDIS, redis.url())]);
        process.envs(clock.variables()).stdout(std::process::Stdio::null());
        assert!(process.status().await.unwrap().success(), "{days}");
        assert_eq!(client.dbsize().await.unwrap(), 0, "{days}");
    }
}

#[tokio::test]
async fn the_first_reset_of_windows_asks_for_the_servers_time() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        for policy in each() {
            let what = format!("{name}, {}", policy.name());
            let windows = policy.name().ends_with("window");
            // Redis knows the script from here on.
            let known = plain(client, policy.clone()).build().unwrap();
            let _ = known.limit("warm").await.unwrap();
            let count = Count::default();
            let limiter = plain(&count.of(client.clone()), policy).build().unwrap();
            limiter.reset("a").await.unwrap();
            assert_eq!(count.taken(), 1 + usize::from(windows), "{what}");
            limiter.reset("a").await.unwrap();
            assert_eq!(count.taken(), 1, "{what}");
            client.flushall().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_reset_forgets_a_key_of_another_type() {
    for client in [native(), super::lua()] {
        let limiter =
            plain(&client, Policy::fixed_window(1, MINUTE * 60 * 24 * 300)).build().unwrap();
        let window = edgecask::platform::unix_millis() / (300 * 86_400_000);
        client.lpush(format!("@upstash/ratelimit:a:{window}"), ["x"]).await.unwrap();
        limiter.reset("a").await.unwrap();
        assert!(limiter.limit("a").await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn in_a_cluster_the_keys_of_a_call_are_in_one_slot() {
    let cluster = RedisCluster::start().await;
    let client = Client::tcp_with(TcpOptions::cluster(cluster.urls())).unwrap();
    let sliding = || plain(&client, Policy::sliding_window(3, MINUTE * 60 * 24));
    let limiter = sliding()
        .policy(Policy::gcra(3, MINUTE * 60).prefix("other"))
        .hash_tags(true)
        .build()
        .unwrap();
    for id in ["ada", "}{", "{x}y", "2001:db8::1"] {
        for left in (0..3).rev() {
            let decision = limiter.limit(id).await.unwrap();
            assert_eq!((decision.failure(), decision.remaining()), (None, left), "{id}");
        }
        assert!(!limiter.limit(id).await.unwrap().is_allowed(), "{id}");
    }
    // Without tags, a call whose keys are in several slots is an error, and no reason to let it through.
    let error = sliding().build().unwrap().limit("ada").await.unwrap_err();
    assert!(error.to_string().contains("slot") || error.code() == Some("CROSSSLOT"), "{error}");
}

#[tokio::test]
async fn windows_that_end_on_the_way_are_asked_for_again() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        // Windows of a few milliseconds end all the time.
        let limiter =
            plain(client, Policy::fixed_window(1000, Duration::from_millis(3))).build().unwrap();
        for _ in 0..100 {
            let decision = limiter.limit(name).await.unwrap();
            assert!(decision.is_allowed() && decision.failure().is_none(), "{name}: {decision:?}");
        }
    }
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
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
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
}
