use std::time::Duration;

use edgecask::command::keys::Lifetime;
use edgecask::command::strings::{Expiry, GetEx, SetOptions};
use edgecask::prelude::*;

use crate::Scope;

pub(crate) async fn a_value_is_found_again(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    client.set(&key, "hé\"llo\n").await.unwrap();
    assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some("hé\"llo\n"));
    assert_eq!(client.strlen(&key).await.unwrap(), 8);
    client.set(&key, "").await.unwrap();
    assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some(""));
    client.set(&key, "OK").await.unwrap();
    assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some("OK"));
}

pub(crate) async fn absent_is_not_null(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    assert_eq!(client.get::<String>(&key).await.unwrap(), None);
    client.set(&key, "null").await.unwrap();
    assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some("null"));
    for text in ["9007199254740993", "1e5", "007", "true", "[1]"] {
        client.set(&key, text).await.unwrap();
        assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some(text));
    }
}

pub(crate) async fn conditions_decide(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    assert!(!client.set_with(&key, "0", SetOptions::new().xx()).await.unwrap());
    assert!(client.set_with(&key, "1", SetOptions::new().nx()).await.unwrap());
    assert!(!client.set_with(&key, "2", SetOptions::new().nx()).await.unwrap());
    assert!(client.set_with(&key, "3", SetOptions::new().xx()).await.unwrap());
    assert!(!client.setnx(&key, "4").await.unwrap());
    assert_eq!(client.get::<u16>(&key).await.unwrap(), Some(3));
    let other = scope.key("other");
    assert!(!client.msetnx([(&other, "1"), (&key, "5")]).await.unwrap());
    assert_eq!(client.exists([&other]).await.unwrap(), 0);
}

pub(crate) async fn lifetimes_are_kept(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    client.set_with(&key, "v", SetOptions::new().ex(Duration::from_secs(1000))).await.unwrap();
    assert!(is_about(client.ttl(&key).await.unwrap(), 1000));
    client.set_with(&key, "w", SetOptions::new().keep_ttl()).await.unwrap();
    assert!(is_about(client.ttl(&key).await.unwrap(), 1000));
    client.set(&key, "x").await.unwrap();
    assert_eq!(client.ttl(&key).await.unwrap(), Lifetime::Persistent);
    client.setex(&key, Duration::from_secs(500), "y").await.unwrap();
    assert!(is_about(client.ttl(&key).await.unwrap(), 500));
    client.setex(&key, Duration::from_millis(700_001), "z").await.unwrap();
    assert!(is_about(client.pttl(&key).await.unwrap(), 700));
    client.set_with(&key, "v", SetOptions::new().ex(Duration::from_micros(1))).await.unwrap();
    assert_ne!(client.pttl(&key).await.unwrap(), Lifetime::Persistent);
    assert!(client.setex(&key, Duration::ZERO, "v").await.is_err());
    assert!(client.setex(&key, Duration::MAX, "v").await.is_err());
    // A time that has passed: the value is gone at once.
    client.set_with(&key, "v", SetOptions::new().expiry(Expiry::PxAt(1))).await.unwrap();
    assert_eq!(client.exists([&key]).await.unwrap(), 0);
}

fn is_about(left: Lifetime, seconds: u64) -> bool {
    matches!(left, Lifetime::Expires(left) if (seconds - 60..=seconds).contains(&left.as_secs()))
}

pub(crate) async fn old_values_are_given(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let options = SetOptions::new();
    assert_eq!(client.set_get::<String>(&key, "1", options.clone()).await.unwrap(), None);
    assert_eq!(client.set_get::<u16>(&key, "2", options).await.unwrap(), Some(1));
    assert_eq!(client.getset::<u16>(&key, "3").await.unwrap(), Some(2));
    assert_eq!(client.getdel::<u16>(&key).await.unwrap(), Some(3));
    assert_eq!(client.getdel::<u16>(&key).await.unwrap(), None);
}

pub(crate) async fn counters_count(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    assert_eq!(client.incr(&key).await.unwrap(), 1);
    assert_eq!(client.incrby(&key, 41).await.unwrap(), 42);
    assert_eq!(client.decr(&key).await.unwrap(), 41);
    assert_eq!(client.decrby(&key, 42).await.unwrap(), -1);
    client.set(&key, i64::MAX).await.unwrap();
    assert_eq!(client.get::<i64>(&key).await.unwrap(), Some(i64::MAX));
    assert!(client.incr(&key).await.is_err());
    assert_eq!(client.incrby(&key, -1).await.unwrap(), i64::MAX - 1);
    client.set(&key, "0.1").await.unwrap();
    assert_eq!(client.incrbyfloat(&key, 0.2).await.unwrap(), 0.3);
}

pub(crate) async fn many_at_once(scope: Scope) {
    let client = &scope.client;
    let keys = ["a", "b", "c"].map(|name| scope.key(name));
    client.mset([(&keys[0], "1"), (&keys[2], "3")]).await.unwrap();
    let values: Vec<Option<u16>> = client.mget(&keys).await.unwrap();
    assert_eq!(values, [Some(1), None, Some(3)]);
}

pub(crate) async fn parts_of_a_value(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    assert_eq!(client.append(&key, "hello").await.unwrap(), 5);
    assert_eq!(client.append(&key, " world").await.unwrap(), 11);
    assert_eq!(client.getrange::<String>(&key, -5, -1).await.unwrap(), "world");
    assert_eq!(client.setrange(&key, 6, "redis").await.unwrap(), 11);
    assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some("hello redis"));
}

pub(crate) async fn expiry_changes_on_reading(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    client.set(&key, "v").await.unwrap();
    let value = client
        .getex::<String>(&key, GetEx::Expire(Expiry::Ex(Duration::from_secs(1000))))
        .await
        .unwrap();
    assert_eq!(value.as_deref(), Some("v"));
    assert!(is_about(client.ttl(&key).await.unwrap(), 1000));
    client.getex::<String>(&key, GetEx::Persist).await.unwrap();
    assert_eq!(client.ttl(&key).await.unwrap(), Lifetime::Persistent);
}
