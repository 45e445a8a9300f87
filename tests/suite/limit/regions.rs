//! One limit in several regions: what they agree on, and what is given back.

use edgecask::ErrorKind;
use edgecask::limit::{Agreement, OnFailure, Policy, RateLimiter, RegionalLimiter, Request};
use edgecask::prelude::*;
use edgecask_tests::{Count, until};
use futures_util::future::poll_immediate;

use super::{Gate, Hands, MINUTE, Way, lua, native, plain};

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

#[tokio::test]
async fn a_repeated_admission_is_given_back_in_no_region() {
    let region = |client: &Client, limit| {
        plain(client, Policy::fixed_window(limit, MINUTE * 60 * 24 * 300)).build().unwrap()
    };
    let (one, two) = (native(), native());
    let (near, far) = (region(&one, 5), region(&two, 5));
    // It was admitted here before, by itself.
    let request = || Request::new("a").id("1");
    assert!(near.limit(request()).await.unwrap().is_allowed());
    for _ in 0..5 {
        assert!(far.limit("a").await.unwrap().is_allowed());
    }
    let both = RegionalLimiter::new([near.clone(), far]).unwrap();
    for _ in 0..3 {
        assert!(!both.limit(request()).await.unwrap().is_allowed());
    }
    // What follows is given back, so what came before it has been too.
    assert!(!both.limit("a").await.unwrap().is_allowed());
    until(async || near.remaining("a").await.unwrap().remaining() == 4).await;
}

/// No window ends while a test runs.
fn region(client: &Client, limit: u64) -> RateLimiter {
    plain(client, Policy::fixed_window(limit, MINUTE * 60 * 24 * 300)).build().unwrap()
}

#[tokio::test]
async fn a_call_that_fails_in_one_region_is_given_back_in_the_others() {
    for make in [native, lua] {
        let (near, far, wrong) = (make(), make(), make());
        let regions = [region(&near, 3), region(&wrong, 3), region(&far, 3)];
        let limiter = RegionalLimiter::new(regions.clone()).unwrap();
        let window = edgecask::platform::unix_millis() / (300 * 86_400_000);
        let key = format!("@upstash/ratelimit:a:{window}");
        wrong.lpush(&key, ["x"]).await.unwrap();
        for _ in 0..5 {
            let error = limiter.limit("a").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Server);
            for region in [&regions[0], &regions[2]] {
                until(async || region.remaining("a").await.unwrap().remaining() == 3).await;
            }
        }
        wrong.del([&key]).await.unwrap();
        assert!(limiter.limit("a").await.unwrap().is_allowed());
        assert_eq!(regions[2].remaining("a").await.unwrap().remaining(), 2);
    }
}

#[tokio::test]
async fn a_call_whose_caller_gave_up_is_given_back() {
    let (near, far, gate) = (native(), native(), Gate::open());
    let regions = [region(&near, 3), region(&gate.of(&far), 3)];
    let limiter = RegionalLimiter::new(regions).unwrap();
    let (near, far) = (region(&near, 3), region(&far, 3));
    let left = async || {
        let of = async |region: &RateLimiter| region.remaining("a").await.unwrap().remaining();
        (of(&near).await, of(&far).await)
    };
    assert!(limiter.limit("warm").await.unwrap().is_allowed());
    for identity in [None, Some("1")] {
        gate.set(Way::Closed);
        let came = gate.came();
        let request = Request::new("a");
        let request = identity.into_iter().fold(request, |request, id| request.id(id));
        let mut call = Box::pin(limiter.limit(request));
        // The near one has counted it, and the far one will.
        while left().await.0 == 3 {
            assert!(poll_immediate(&mut call).await.is_none());
        }
        assert_eq!((left().await, gate.came()), ((2, 3), came + 1));
        drop(call);
        gate.set(Way::Open);
        // The call, and what gives it back.
        let sent = 2 + usize::from(identity.is_some());
        until(async || gate.came() == came + sent && left().await == (3, 3)).await;
    }
    // The identity is not remembered as one that was admitted.
    let decision = limiter.limit(Request::new("a").id("1")).await.unwrap();
    assert_eq!((decision.is_allowed(), decision.is_repeated()), (true, false));
}

#[tokio::test]
async fn what_a_call_costs_in_regions() {
    let (count, clients) = (Count::default(), [native(), native(), native()]);
    let hands = Hands::at(1_790_000_000_000);
    let all = clients.map(|client| {
        let limiter = plain(&count.of(client), Policy::fixed_window(2, MINUTE));
        limiter.clock(hands.clock()).build().unwrap()
    });
    let limiter = RegionalLimiter::new(all.clone()).unwrap().agreement(Agreement::All);
    // The engines know the script from here on.
    assert!(limiter.limit("a").await.unwrap().is_allowed());
    count.taken();
    assert!(limiter.limit("a").await.unwrap().is_allowed());
    assert_eq!(count.taken(), 3, "one in each");
    assert!(!limiter.limit("a").await.unwrap().is_allowed());
    assert_eq!(count.taken(), 3, "nothing is given back where nothing was counted");
    let _ = all[0].refund("a").await.unwrap();
    let _ = all[1].refund("a").await.unwrap();
    count.taken();
    // Two of three have room: both give back.
    let mut sent = 0;
    assert!(!limiter.limit("a").await.unwrap().is_allowed());
    until(async || {
        sent += count.taken();
        sent == 5
    })
    .await;
    let mut sent = 0;
    assert!(!limiter.limit(Request::new("a").id("1")).await.unwrap().is_allowed());
    until(async || {
        sent += count.taken();
        sent == 7
    })
    .await;
    assert_eq!(all[0].remaining("a").await.unwrap().remaining(), 1);
}
