//! Deny list, dynamic limit, shadow mode, refunds, regions, and settings that do not go together.

use edgecask::ErrorKind;
use edgecask::limit::{
    Agreement, Calendar, OnFailure, Policy, RateLimiter, Reason, RegionalLimiter, Request,
};
use edgecask::prelude::*;
use edgecask_tests::until;

use super::{Everywhere, Hands, MINUTE, Meter, native, plain};

#[tokio::test]
async fn values_on_the_deny_list_are_refused_and_count_nothing() {
    let everywhere = Everywhere::start().await;
    for (name, client) in &everywhere.clients {
        client.flushall().await.unwrap();
        let meter = Meter::default();
        let policy = Policy::fixed_window(10, MINUTE * 60);
        let limiter = RateLimiter::builder(meter.on(client.clone()))
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
            meter.read();
            for sent in [1, 0] {
                let decision = limiter.limit(request.clone()).await.unwrap();
                assert_eq!(decision.reason(), Reason::DenyList, "{name}");
                assert_eq!(decision.retry_after(), None, "{name}");
                assert!(["evil", "203.0.113.7"].contains(&decision.denied_value().unwrap()));
                assert_eq!(meter.read(), sent, "{name}: it is remembered");
            }
        }
        assert_eq!(limiter.remaining("good").await.unwrap().remaining(), 9, "{name}");
        limiter.undeny(["evil"]).await.unwrap();
        assert!(limiter.limit("evil").await.unwrap().is_allowed(), "{name}");
        assert_eq!(limiter.stats().denied, 4, "{name}");
    }
    everywhere.stop().await;
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

#[tokio::test]
async fn regions_agree() {
    let hands = Hands::at(1_790_000_000_000);
    let away =
        || Client::tcp(&format!("redis://127.0.0.1:{}", edgecask_tests::free_port())).unwrap();
    let region = |client: Client| {
        let policy = Policy::fixed_window(3, MINUTE);
        let limiter = plain(&client, policy).clock(hands.clock()).on_failure(OnFailure::Deny);
        limiter.build().unwrap()
    };
    let clients = [native(), native(), native()];
    let all = clients.clone().map(region);
    let limiter = RegionalLimiter::new(all.clone()).unwrap();
    for _ in 0..3 {
        assert!(limiter.limit("a").await.unwrap().is_allowed());
    }
    assert!(!limiter.limit("a").await.unwrap().is_allowed());
    // One of three is away.
    let two = [region(clients[0].clone()), region(away()), region(clients[2].clone())];
    let limiter = RegionalLimiter::new(two.clone()).unwrap();
    for _ in 0..3 {
        assert!(limiter.limit("b").await.unwrap().is_allowed());
    }
    assert!(!limiter.limit("b").await.unwrap().is_allowed());
    // With all of them needed, none is admitted, and what two counted is given back.
    let strict = RegionalLimiter::new(two).unwrap().agreement(Agreement::All);
    assert!(!strict.limit("c").await.unwrap().is_allowed());
    until(async || all[0].remaining("c").await.unwrap().remaining() == 3).await;
    until(async || all[2].remaining("c").await.unwrap().remaining() == 3).await;
    assert_eq!(RegionalLimiter::new([]).unwrap_err().kind(), ErrorKind::Config);
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
