//! Deny list, dynamic limit, shadow mode, refunds, and settings that do not go together.

use edgecask::ErrorKind;
use edgecask::limit::{Calendar, Policy, RateLimiter, Reason, RegionalLimiter, Request};
use edgecask::prelude::*;
use edgecask_tests::{Count, Place};

use super::{Hands, MINUTE, native, plain};

#[tokio::test]
async fn values_on_the_deny_list_are_refused_and_count_nothing() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        let count = Count::default();
        let policy = Policy::fixed_window(10, MINUTE * 60);
        let limiter = RateLimiter::builder(count.of(client.clone()))
            .policy(policy)
            .deny_list(true)
            .timeout(MINUTE)
            .build()
            .unwrap();
        limiter.deny(["evil", "203.0.113.7"]).await.unwrap();
        assert!(limiter.limit("good").await.unwrap().is_allowed(), "{name}");
        for request in
            [Request::new("evil"), Request::new("good").also_denied(["x", "203.0.113.7"])]
        {
            count.taken();
            for sent in [1, 0] {
                let decision = limiter.limit(request.clone()).await.unwrap();
                assert_eq!(decision.reason(), Reason::DenyList, "{name}");
                assert_eq!(decision.retry_after(), None, "{name}");
                assert!(["evil", "203.0.113.7"].contains(&decision.denied_value().unwrap()));
                assert_eq!(count.taken(), sent, "{name}: it is remembered");
            }
        }
        assert_eq!(limiter.remaining("good").await.unwrap().remaining(), 9, "{name}");
        limiter.undeny(["evil"]).await.unwrap();
        assert!(limiter.limit("evil").await.unwrap().is_allowed(), "{name}");
        assert_eq!(limiter.stats().denied, 4, "{name}");
    }
}

#[tokio::test]
async fn a_limit_that_all_clients_share_can_be_changed() {
    let client = native();
    let limiter = plain(&client, Policy::token_bucket(1, MINUTE * 60, 2))
        .dynamic_limit(true)
        .build()
        .unwrap();
    limiter.set_limit(Some(5)).await.unwrap();
    assert_eq!(limiter.limit("a").await.unwrap().limit(), 5);
    assert_eq!(limiter.limit("a").await.unwrap().remaining(), 3);
    limiter.set_limit(None).await.unwrap();
    assert_eq!(limiter.limit("b").await.unwrap().limit(), 2);
    // An identifier cannot become the key of the limit, or of another setting.
    for name in ["dynamic:global", "denyList:all", "ipDenyListStatus", "x:y:once"] {
        assert!(limiter.limit(name).await.unwrap().is_allowed(), "{name}");
        assert_eq!(
            client.exists([format!("@upstash/ratelimit:{name}")]).await.unwrap(),
            0,
            "{name}"
        );
    }
    let fixed = plain(&client, Policy::fixed_window(1, MINUTE)).build().unwrap();
    assert_eq!(fixed.set_limit(Some(1)).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(fixed.deny(["a"]).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn shadow_mode_counts_and_refuses_nothing() {
    let client = native();
    let limiter = RateLimiter::builder(client.clone())
        .policy(Policy::fixed_window(2, MINUTE * 60 * 24).named("new").prefix("new").shadow(true))
        .policy(Policy::gcra(5, MINUTE * 60).named("old").prefix("old"))
        .build()
        .unwrap();
    for call in 0..5 {
        let decision = limiter.limit("a").await.unwrap();
        assert!(decision.is_allowed(), "{call}");
        let refused: Vec<&str> = decision.shadow_refused().collect();
        assert_eq!(refused.is_empty(), call < 2, "{call}");
        assert_eq!(decision.policies()[0].remaining, 2_u64.saturating_sub(call + 1), "{call}");
        assert_eq!(decision.limit(), 5, "the numbers are those of what is enforced");
    }
    assert!(!limiter.limit("a").await.unwrap().is_allowed());
    assert_eq!(limiter.stats().shadow_refused, 4);
}

#[tokio::test]
async fn refunds_and_penalties_keep_within_the_quota() {
    for policy in [
        Policy::fixed_window(4, MINUTE * 60),
        Policy::sliding_window(4, MINUTE * 60),
        Policy::token_bucket(4, MINUTE * 60, 4),
        Policy::gcra(4, MINUTE * 60),
    ] {
        let what = policy.name().to_owned();
        let hands = Hands::at(1_790_000_000_000);
        let limiter = plain(&native(), policy).clock(hands.clock()).build().unwrap();
        let _ = limiter.limit_by("a", 3).await.unwrap();
        let refunded = limiter.refund(Request::new("a").cost(100)).await.unwrap();
        assert_eq!(refunded.remaining(), 4, "{what}");
        let _ = limiter.penalize(Request::new("a").cost(7)).await.unwrap();
        assert!(!limiter.limit("a").await.unwrap().is_allowed(), "{what}");
        let _ = limiter.refund(Request::new("a").cost(4)).await.unwrap();
        assert_eq!(
            limiter.remaining("a").await.unwrap().remaining(),
            1,
            "{what}: the rest is owed"
        );
    }
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let fixed = || Policy::fixed_window(1, MINUTE);
    let build = |policies: Vec<Policy>| {
        let builder = RateLimiter::builder(native());
        policies.into_iter().fold(builder, |builder, policy| builder.policy(policy)).build()
    };
    for (what, policies) in [
        ("none", vec![]),
        ("the same name", vec![fixed(), fixed().prefix("other")]),
        ("the same keys", vec![fixed(), Policy::sliding_window(1, MINUTE)]),
        ("no window", vec![Policy::fixed_window(1, std::time::Duration::ZERO)]),
        ("a long window", vec![Policy::fixed_window(1, MINUTE * 60 * 24 * 400)]),
        ("a large limit", vec![Policy::fixed_window(u64::MAX, MINUTE)]),
        ("no refill", vec![Policy::token_bucket(0, MINUTE, 1)]),
        ("a large burst", vec![Policy::gcra(1, MINUTE * 60 * 24).burst(1_000_000_000)]),
        ("a burst of a window", vec![fixed().burst(2)]),
        ("two cached", vec![Policy::cached_fixed_window(1, MINUTE), fixed().prefix("x")]),
        ("a name with control characters", vec![fixed().named("a\r\nb")]),
        ("an empty prefix", vec![fixed().prefix("")]),
        ("17", (0..17).map(|at| fixed().named(&at.to_string()).prefix(&at.to_string())).collect()),
    ] {
        let error = build(policies).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{what}");
    }
    for (what, policy) in [
        ("concurrency", Policy::concurrency(1, MINUTE)),
        ("a cached window", Policy::cached_fixed_window(1, MINUTE)),
    ] {
        let error = RegionalLimiter::new([build(vec![policy]).unwrap()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{what} in several regions");
    }
    let minute = || Policy::calendar(Calendar::Minute, 1);
    let several =
        vec![minute(), Policy::calendar(Calendar::Hour, 1), minute().shared("all").named("all")];
    assert!(build(several).is_ok());
}

#[tokio::test]
async fn hostile_requests_are_bounded() {
    let limiter = plain(&native(), Policy::fixed_window(9, MINUTE)).build().unwrap();
    let long = "x".repeat(1025);
    let many: Vec<String> = (0..16).map(|at| at.to_string()).collect();
    for request in [
        Request::new(""),
        Request::new(&long),
        Request::new("a").cost(u64::MAX),
        Request::new("a").id(""),
        Request::new("a").part("p", ""),
        Request::new("a").also_denied(many.iter().map(String::as_str)),
    ] {
        assert_eq!(limiter.limit(request).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    for hostile in ["*", "a\r\nSET b 1", "{x}", "\u{0}", "a:1", "%3A", "🦀"] {
        assert!(limiter.limit(hostile).await.unwrap().is_allowed(), "{hostile:?}");
        assert_eq!(limiter.remaining(hostile).await.unwrap().remaining(), 8, "{hostile:?}");
    }
}

#[tokio::test]
async fn an_identifier_cannot_put_another_on_the_deny_list() {
    let limiter = RateLimiter::builder(native())
        .policy(Policy::fixed_window(1, MINUTE * 60 * 24 * 300))
        .policy(Policy::gcra(1, MINUTE * 60).named("other"))
        .deny_list(true)
        .build()
        .unwrap();
    for hostile in ["denyList:all alice", "alice"] {
        assert!(limiter.limit(hostile).await.unwrap().is_allowed(), "{hostile}");
        assert!(!limiter.limit(hostile).await.unwrap().is_allowed(), "{hostile}");
    }
    let refused = limiter.limit("alice").await.unwrap();
    assert_eq!(refused.reason(), Reason::Blocked);
}

#[tokio::test]
async fn a_block_names_the_policy_that_refused() {
    let hands = Hands::at(1_790_000_000_000);
    let client = native();
    let limiter = RateLimiter::builder(client.clone())
        .policy(Policy::calendar(Calendar::Minute, 5).limit_from("limits", "minute"))
        .policy(Policy::calendar(Calendar::Day, 100))
        .clock(hands.clock())
        .build()
        .unwrap();
    client.hset("limits:a", [("minute", "1")]).await.unwrap();
    assert!(limiter.limit("a").await.unwrap().is_allowed());
    assert_eq!(limiter.limit("a").await.unwrap().reason(), Reason::Exceeded);
    let refused = limiter.limit("a").await.unwrap();
    let policy = refused.policy().unwrap();
    assert_eq!(
        (refused.reason(), &*policy.name, policy.limit),
        (Reason::Blocked, "minute", 1),
        "with the limit that was reached"
    );
}

#[tokio::test]
async fn a_limit_of_zero_closes_every_algorithm_and_a_burst_follows_its_limit() {
    for client in [native(), super::lua()] {
        let build =
            |policy| plain(&client, policy).dynamic_limit(true).prefix("x").build().unwrap();
        let limiter = build(Policy::gcra(10, MINUTE * 60));
        limiter.set_limit(Some(2)).await.unwrap();
        assert_eq!(limiter.limit("a").await.unwrap().limit(), 2);
        let own = build(Policy::gcra(10, MINUTE * 60).burst(7));
        assert_eq!(own.remaining("b").await.unwrap().limit(), 7);
        limiter.set_limit(Some(0)).await.unwrap();
        for limiter in [&limiter, &own] {
            let closed = limiter.limit("c").await.unwrap();
            assert_eq!((closed.is_allowed(), closed.retry_after()), (false, None));
        }
        let error = limiter.set_limit(Some(10_000_000_000_000_000)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[tokio::test]
async fn numbers_at_their_ends_leave_no_key_without_a_time_to_live() {
    for client in [native(), super::lua()] {
        let longest = MINUTE * 60 * 24 * 366;
        let slow = Policy::token_bucket(1, longest, 1_000_000_000);
        let limiter = plain(&client, slow).build().unwrap();
        assert!(limiter.limit_by("a", 1_000_000_000).await.unwrap().is_allowed());
        let key = "@upstash/ratelimit:a";
        let left: i64 = client.execute(Command::new("PTTL").arg(key)).await.unwrap();
        assert!(left > 0, "{left}");
    }
    let forever = std::time::Duration::MAX;
    let limiter = plain(&native(), Policy::gcra(1, MINUTE)).remember_for(forever).build();
    assert_eq!(limiter.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_wait_is_true_after_the_clock_went_back() {
    let hands = Hands::at(1_790_000_000_000);
    let limiter = plain(&native(), Policy::gcra(1, MINUTE)).clock(hands.clock()).build().unwrap();
    assert!(limiter.limit("a").await.unwrap().is_allowed());
    hands.set(hands.now() - 30_000);
    let refused = limiter.limit("a").await.unwrap();
    assert_eq!(refused.retry_after(), Some(MINUTE + MINUTE / 2));
}

#[tokio::test]
async fn no_identifier_meets_the_escape_of_another_and_none_is_printed() {
    let limiter = plain(&native(), Policy::token_bucket(1, MINUTE * 60, 1)).build().unwrap();
    for name in ["dynamic:global", "dynamic%3Aglobal", "dynamic%253Aglobal", "ip%44enyListStatus"] {
        assert!(limiter.limit(name).await.unwrap().is_allowed(), "{name} has its own");
    }
    assert!(!format!("{:?}", Request::new("secret").id("secret")).contains("secret"));
    let guarded = plain(&native(), Policy::gcra(1, MINUTE)).deny_list(true).build().unwrap();
    guarded.deny(["secret"]).await.unwrap();
    let denied = guarded.limit("secret").await.unwrap();
    assert!(!format!("{denied:?}").contains("secret"));
}
