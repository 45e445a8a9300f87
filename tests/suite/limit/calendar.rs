//! Minutes, hours and days with a limit of all callers and of a provider, in one round trip.

use std::collections::BTreeMap;

use edgecask::ErrorKind;
use edgecask::limit::{Calendar, Policy, RateLimiter, Request};
use edgecask::prelude::*;

use edgecask_tests::{Count, Place};

use super::{Hands, MINUTE, native};

/// 2024-01-15T14:22:30Z.
const THEN: u64 = 1_705_328_550_000;

fn calendar(client: &Client, hands: &Hands) -> RateLimiter {
    RateLimiter::builder(client.clone())
        .clock(hands.clock())
        .block_list(0)
        .timeout(MINUTE)
        .policy(Policy::calendar(Calendar::Minute, 100).limit_from("rate_limits", "per_minute"))
        .policy(Policy::calendar(Calendar::Hour, 1000).limit_from("rate_limits", "per_hour"))
        .policy(Policy::calendar(Calendar::Day, 10_000).limit_from("rate_limits", "per_day"))
        .policy(Policy::calendar(Calendar::Minute, 8).shared("global").named("all"))
        .policy(Policy::calendar(Calendar::Minute, 4).per("provider").named("provider"))
        .policy(
            Policy::gcra(100, MINUTE)
                .burst(100)
                .prefix("rate_limit:burst")
                .limit_from("rate_limits", "per_minute")
                .burst_from("rate_limits", "burst_limit")
                .named("burst"),
        )
        .build()
        .unwrap()
}

async fn stored(client: &Client) -> BTreeMap<String, (String, i64)> {
    let mut all = BTreeMap::new();
    for key in client.keys::<String>("rate_limit:*").await.unwrap() {
        let count: String = client.get(&key).await.unwrap().unwrap();
        let left: i64 = client.execute(Command::new("PTTL").arg(&key)).await.unwrap();
        // To the second, of time that passes while the test asks.
        all.insert(key, (count, (left + 999) / 1000));
    }
    all
}

#[tokio::test]
async fn all_limits_are_asked_in_one_round_trip_on_the_keys_of_the_schema() {
    for place in Place::all().await {
        let (name, client) = (place.name, &place.client());
        client.flushall().await.unwrap();
        let count = Count::default();
        let hands = Hands::at(THEN);
        let limiter = calendar(&count.of(client.clone()), &hands);
        client
            .hset("rate_limits:user_789", [("per_minute", 3), ("burst_limit", 50)])
            .await
            .unwrap();
        let request = Request::new("user_789").part("provider", "openai");
        // The first call teaches the server the script.
        let _ = limiter.remaining(request.clone()).await.unwrap();
        count.taken();
        for left in [2, 1, 0] {
            let decision = limiter.limit(request.clone()).await.unwrap();
            assert!(decision.is_allowed(), "{name}: {decision:?}");
            assert_eq!(decision.remaining(), left, "{name}");
            assert_eq!(count.taken(), 1, "{name}: one command");
        }
        let keys = stored(client).await;
        let expected = [
            ("rate_limit:global:minute:202401151422", "3", 60),
            ("rate_limit:provider:openai:minute:202401151422", "3", 60),
            ("rate_limit:user_789:day:20240115", "3", 86_400),
            ("rate_limit:user_789:hour:2024011514", "3", 3600),
            ("rate_limit:user_789:minute:202401151422", "3", 60),
        ];
        for (key, count, seconds) in expected {
            let (stored, ttl) = &keys[key];
            assert_eq!(stored, count, "{name}: {key}");
            assert!((seconds - 20..=seconds).contains(ttl), "{name}: {key} lives {ttl} s");
        }
        assert_eq!(keys.len(), expected.len() + 1, "{name}: and the burst: {keys:?}");

        // A refused call counts nowhere.
        let refused = limiter.limit(request.clone()).await.unwrap();
        assert!(!refused.is_allowed(), "{name}");
        assert_eq!(refused.policy().unwrap().name.as_ref(), "minute", "{name}");
        assert_eq!((refused.limit(), refused.remaining()), (3, 0), "the hash has the limit");
        let after: Vec<String> =
            stored(client).await.into_values().map(|(count, _)| count).collect();
        let before: Vec<String> = keys.into_values().map(|(count, _)| count).collect();
        assert_eq!(after, before, "{name}");

        // Another user meets the provider's limit, and then that of all.
        for (user, provider, by) in [
            ("user_1", "openai", None),
            ("user_1", "openai", Some("provider")),
            ("user_1", "other", None),
            ("user_2", "other", None),
            ("user_3", "third", None),
            ("user_4", "third", None),
            ("user_5", "fourth", Some("all")),
        ] {
            let request = Request::new(user).part("provider", provider);
            let decision = limiter.limit(request).await.unwrap();
            let refused =
                (!decision.is_allowed()).then(|| decision.policy().unwrap().name.to_string());
            assert_eq!(refused.as_deref(), by, "{name}: {user} {provider}");
        }
        // The next minute has room, and its own keys.
        hands.move_by(30_000);
        assert!(limiter.limit("user_789").await.unwrap().is_allowed(), "{name}");
        assert!(client.exists(["rate_limit:user_789:minute:202401151423"]).await.unwrap() == 1);
    }
}

#[tokio::test]
async fn the_burst_limit_holds_around_the_end_of_a_minute() {
    let client = native();
    let hands = Hands::at(THEN);
    let limiter = calendar(&client, &hands);
    client.hset("rate_limits:u", [("per_minute", 6), ("burst_limit", 7)]).await.unwrap();
    hands.set(THEN + 29_900);
    let mut admitted = 0;
    for _ in 0..2 {
        for _ in 0..10 {
            admitted += u32::from(limiter.limit("u").await.unwrap().is_allowed());
        }
        hands.move_by(200);
    }
    assert_eq!(admitted, 7, "two minutes would have room for 8 of all callers");
}

#[tokio::test]
async fn nobody_counts_for_others() {
    let hands = Hands::at(THEN);
    let client = native();
    let limiter = calendar(&client, &hands);
    let error = limiter.limit("global").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let _ = limiter.limit("provider:openai").await.unwrap();
    let _ =
        limiter.limit(Request::new("a").part("provider", "x:minute:202401151422")).await.unwrap();
    let keys = stored(&client).await;
    assert!(keys.contains_key("rate_limit:provider%3Aopenai:minute:202401151422"), "{keys:?}");
    assert!(keys.contains_key("rate_limit:provider:x%3Aminute%3A202401151422:minute:202401151422"));
}
