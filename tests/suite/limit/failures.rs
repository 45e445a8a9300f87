//! Servers that are away, hang, lose answers, forget scripts or keys.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::layer::Retry;
use edgecask::limit::{Failure, OnFailure, Policy, RateLimiter, Reason, Request};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Error, ErrorKind};
use edgecask_tests::{Place, RedisServer, Tap, Tapped, Trip, free_port};

use super::{Gate, Hands, MINUTE, SECOND, Way, native, plain};

/// Nobody listens there.
fn away() -> Client {
    Client::tcp(&format!("redis://127.0.0.1:{}", free_port())).unwrap()
}

fn with(client: &Client, on_failure: OnFailure) -> RateLimiter {
    RateLimiter::builder(client.clone())
        .policy(Policy::sliding_window(4, MINUTE * 60))
        .on_failure(on_failure)
        .build()
        .unwrap()
}

#[tokio::test]
async fn each_choice_holds_when_the_server_is_away() {
    let allow = with(&away(), OnFailure::Allow);
    let decision = allow.limit("a").await.unwrap();
    assert!(decision.is_allowed());
    assert!(matches!(decision.failure(), Some(Failure::Error(ErrorKind::Connect))), "{decision:?}");
    assert_eq!(allow.stats().degraded_allowed, 1);

    let deny = with(&away(), OnFailure::Deny);
    let decision = deny.limit("a").await.unwrap();
    assert!(!decision.is_allowed());
    assert!(matches!(decision.reason(), Reason::Degraded(_)));
    assert_eq!(deny.stats().degraded_refused, 1);

    let instances = NonZeroU32::new(2).unwrap();
    let local = with(&away(), OnFailure::Local { instances });
    let mut admitted = 0;
    for _ in 0..6 {
        admitted += u32::from(local.limit("a").await.unwrap().is_allowed());
    }
    assert_eq!(admitted, 2, "half of the limit is this process's share");
    assert!(local.limit("b").await.unwrap().is_allowed(), "each identifier has its own");
    let stats = local.stats();
    assert_eq!((stats.degraded_allowed, stats.degraded_refused), (3, 4));
    // What only reads or changes says that it could not.
    assert_eq!(local.remaining("a").await.unwrap_err().kind(), ErrorKind::Connect);
}

/// Two threads meet at the room of one policy; the other one counts those that were admitted, and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_a_refused_call_counts_in_no_policy() {
    const CALLS: u64 = 20_000;
    let gate = Gate::open();
    gate.set(Way::Broken);
    let instances = NonZeroU32::MIN;
    let limiter = RateLimiter::builder(gate.of(&native()))
        .policy(Policy::fixed_window(10 * CALLS, MINUTE * 60 * 24 * 300).prefix("all").named("all"))
        .policy(Policy::gcra(200_000, SECOND).burst(1).prefix("fast").named("fast"))
        .on_failure(OnFailure::Local { instances })
        .build()
        .unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let limiter = limiter.clone();
            tokio::spawn(async move {
                let mut admitted = 0;
                for _ in 0..CALLS {
                    admitted += u64::from(limiter.limit("a").await.unwrap().is_allowed());
                }
                admitted
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += task.await.unwrap();
    }
    assert!(admitted < 4 * CALLS, "some are refused");
    let last = loop {
        let last = limiter.limit("a").await.unwrap();
        admitted += u64::from(last.is_allowed());
        if last.is_allowed() {
            break last;
        }
    };
    assert_eq!(last.policies()[0].remaining, 10 * CALLS - admitted);
}

#[tokio::test]
async fn a_server_that_hangs_is_as_one_that_fails() {
    let redis = RedisServer::start();
    redis.pause();
    for (on_failure, allowed) in [(OnFailure::Allow, true), (OnFailure::Deny, false)] {
        let limiter = RateLimiter::builder(redis.client())
            .policy(Policy::gcra(4, MINUTE))
            .on_failure(on_failure)
            .timeout(Duration::from_millis(100))
            .build()
            .unwrap();
        let decision = limiter.limit("a").await.unwrap();
        assert_eq!(decision.failure(), Some(Failure::Timeout));
        assert_eq!(decision.is_allowed(), allowed);
    }
}

/// Loses the answers of every second script that ran.
#[derive(Debug, Clone, Default)]
struct Lossy(Arc<AtomicU64>);

impl Tap for Lossy {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, edgecask::Result<Results>> {
        Box::pin(async move {
            let results = trip.go().await?;
            let ran = results.iter().all(Result::is_ok);
            if ran && self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                return Err(Error::new(ErrorKind::Disconnected, "the answer was lost"));
            }
            Ok(results)
        })
    }
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_counts_once_if_it_has_an_identity() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        for policy in [
            Policy::fixed_window(10, MINUTE * 60),
            Policy::sliding_window(10, MINUTE * 60),
            Policy::token_bucket(1, MINUTE * 60, 10),
            Policy::gcra(10, MINUTE * 60 * 24),
        ] {
            let hands = Hands::at(1_790_000_000_000);
            let what = format!("{name}, {}", policy.name());
            let lossy = client
                .clone()
                .layer(Tapped(Lossy::default()))
                .layer(Retry::new().base(Duration::from_millis(1)));
            let limiter = plain(&lossy, policy.prefix(&what))
                .clock(hands.clock())
                .exactly_once(true)
                .build()
                .unwrap();
            for left in (0..10).rev() {
                let decision = limiter.limit("a").await.unwrap();
                assert_eq!(decision.failure(), None, "{what}");
                assert_eq!(decision.remaining(), left, "{what}: no call counts twice");
            }
            assert!(!limiter.limit("a").await.unwrap().is_allowed(), "{what}");
        }
    }
}

#[tokio::test]
async fn without_an_identity_nothing_is_sent_twice() {
    let client = native();
    let lossy = client.clone().layer(Tapped(Lossy::default())).layer(Retry::new());
    let limiter = plain(&lossy, Policy::fixed_window(100, MINUTE * 60)).build().unwrap();
    let mut failed = 0;
    for _ in 0..20 {
        failed += u32::from(limiter.limit("a").await.unwrap().failure().is_some());
    }
    assert!(failed >= 5, "{failed} answers were lost");
    let sure = plain(&client, Policy::fixed_window(100, MINUTE * 60)).build().unwrap();
    assert_eq!(sure.remaining("a").await.unwrap().remaining(), 80, "each counted once");
}

#[tokio::test]
async fn the_same_identity_is_answered_as_before() {
    let limiter = plain(&native(), Policy::fixed_window(2, MINUTE * 60)).build().unwrap();
    let call = |id| limiter.limit(Request::new("a").id(id));
    let first = call("1").await.unwrap();
    let again = call("1").await.unwrap();
    assert_eq!((first.is_repeated(), again.is_repeated()), (false, true));
    assert_eq!(first.policies(), again.policies());
    assert_eq!(call("2").await.unwrap().remaining(), 0);
    assert!(!call("3").await.unwrap().is_allowed());
    limiter.reset("a").await.unwrap();
    let later = call("3").await.unwrap();
    assert_eq!((later.is_allowed(), later.is_repeated()), (true, false), "no refusal is kept");
}

#[tokio::test]
async fn who_waits_with_an_identity_is_admitted_and_a_block_hides_no_admission() {
    let limiter = plain(&native(), Policy::gcra(50, SECOND).burst(1)).build().unwrap();
    assert!(limiter.limit("a").await.unwrap().is_allowed());
    let request = Request::new("a").id("1");
    assert!(limiter.wait_until_ready(request, MINUTE).await.unwrap().is_allowed());

    let limiter = RateLimiter::builder(native())
        .policy(Policy::fixed_window(1, MINUTE * 60 * 24 * 300))
        .build()
        .unwrap();
    let request = || Request::new("a").id("1");
    assert!(limiter.limit(request()).await.unwrap().is_allowed());
    assert!(!limiter.limit("a").await.unwrap().is_allowed());
    assert!(limiter.limit(request()).await.unwrap().is_repeated(), "it is asked past the block");
}

#[tokio::test]
async fn limiters_of_this_process_count_all_or_nothing_and_keep_closed_limits() {
    let instances = NonZeroU32::new(1).unwrap();
    let limiter = |second: u64| {
        plain(&away(), Policy::fixed_window(5, MINUTE * 60))
            .policy(Policy::fixed_window(second, MINUTE * 60).named("second").prefix("second"))
            .on_failure(OnFailure::Local { instances })
            .build()
            .unwrap()
    };
    let one = limiter(1);
    assert!(one.limit("a").await.unwrap().is_allowed());
    for _ in 0..3 {
        let refused = one.limit("a").await.unwrap();
        assert!(!refused.is_allowed());
        assert_eq!(refused.policies()[0].remaining, 4, "a refused call counts nowhere");
    }
    let closed = limiter(0).limit("a").await.unwrap();
    assert_eq!((closed.is_allowed(), closed.retry_after()), (false, None));
}

#[tokio::test]
async fn scripts_keys_and_servers_may_be_lost() {
    let redis = RedisServer::start();
    let port = redis.port();
    let client = redis.client();
    let limiter = plain(&client, Policy::gcra(5, MINUTE * 60).prefix("g")).build().unwrap();
    let window = plain(&client, Policy::fixed_window(5, MINUTE * 60 * 24)).build().unwrap();
    for left in (0..5).rev() {
        client.script_flush().await.unwrap();
        assert_eq!(limiter.limit("a").await.unwrap().remaining(), left);
        client.script_flush().await.unwrap();
        assert!(window.limit("a").await.unwrap().is_allowed());
    }
    assert!(!limiter.limit("a").await.unwrap().is_allowed());
    // An evicted key is a fresh start: that is all that can be known.
    client.flushall().await.unwrap();
    assert_eq!(limiter.limit("a").await.unwrap().remaining(), 4);
    assert_eq!(window.limit("a").await.unwrap().remaining(), 4);
    // So is a server that comes back empty.
    drop(redis);
    let decision = limiter.limit("a").await.unwrap();
    assert!(decision.is_allowed() && decision.failure().is_some());
    let _redis = RedisServer::on_port(port);
    edgecask_tests::until(async || limiter.limit("b").await.unwrap().failure().is_none()).await;
    assert_eq!(limiter.limit("a").await.unwrap().remaining(), 4);
}

#[tokio::test]
async fn a_key_of_another_type_is_an_error_that_names_no_value() {
    let client = native();
    client.lpush("edgecask:gcra:a", ["secret"]).await.unwrap();
    let limiter = plain(&client, Policy::gcra(5, SECOND)).build().unwrap();
    let error = limiter.limit("a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "nobody is let in by it");
    // Algorithms do not meet at one key by default.
    let bucket = plain(&client, Policy::token_bucket(1, MINUTE, 5)).build().unwrap();
    assert!(bucket.limit("b").await.unwrap().is_allowed());
    assert!(limiter.limit("b").await.unwrap().is_allowed());
    let error = limiter.remaining("a").await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}
