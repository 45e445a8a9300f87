//! The stored form of entries, and their times to live.

use std::time::Duration;

use edgecask::cache::{
    Cache, CacheOptions, CacheStats, Codec, EntryOptions, Form, KeyDistribution, LoadOptions,
    Namespace, Ttl, Usage, WarmOptions,
};
use edgecask::command::keys::Lifetime;
use edgecask::prelude::*;
use edgecask::{BoxError, ErrorKind, Keyspace};

use crate::Scope;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn large_values_are_packed(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let value = "käse ".repeat(10_000);
    cache.set(&key, &value, MINUTE).await.unwrap();
    let stored: String = scope.client.get(&key).await.unwrap().unwrap();
    assert!(stored.len() < 2_000, "{} bytes", stored.len());
    let (header, _) = stored.split_once('\n').unwrap();
    assert_eq!(header, r#"edgecask/1 {"codec":"json","encoding":["gzip","base64"]}"#);
    let never = CacheOptions::new().compression(None);
    let plain = Cache::with_options(scope.client.clone(), never.clone());
    for cache in [&cache, &plain] {
        assert_eq!(cache.get::<String>(&key).await.unwrap().as_ref(), Some(&value));
    }
    let stats: CacheStats = cache.stats();
    assert!(stats.compression_ratio() > 20.0, "{stats:?}");
    assert_eq!(stats.bytes_written, stored.len() as u64);

    // A decompression bomb is not decompressed.
    let small = never.clone().max_unpacked(value.len() - 1);
    let small = Cache::with_options(scope.client.clone(), small);
    let error = small.get::<String>(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
    let load = || async { Ok::<_, BoxError>("loaded".to_owned()) };
    assert_eq!(small.get_or_load(&key, MINUTE, load).await.unwrap(), "loaded");

    // Values that do not get smaller, and small ones, are stored uncompressed.
    let noise: String = (0..2000_u32).map(|n| char::from((n * n % 89) as u8 + 35)).collect();
    for value in [noise.as_str(), "short"] {
        plain.set(&key, value, MINUTE).await.unwrap();
        let plain: String = scope.client.get(&key).await.unwrap().unwrap();
        assert_eq!(plain, serde_json::to_string(value).unwrap());
    }
}

pub(crate) async fn bytes_and_text_stay_as_they_are(scope: Scope) {
    let options = CacheOptions::new().codec(Codec::Raw).compression(None);
    let (cache, key) = (Cache::with_options(scope.client.clone(), options), scope.key("k"));
    cache.set(&key, "\"text\"", MINUTE).await.unwrap();
    assert_eq!(scope.client.get::<String>(&key).await.unwrap().as_deref(), Some("\"text\""));
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("\"text\""));
    let bytes: Vec<u8> = (0..=255).collect();
    for value in [bytes, b"edgecask/1 like an envelope".to_vec()] {
        cache.set(&key, &value, MINUTE).await.unwrap();
        let stored: String = scope.client.get(&key).await.unwrap().unwrap();
        assert!(stored.starts_with("edgecask/1 {"), "text-safe: {stored}");
        assert_eq!(cache.get::<Vec<u8>>(&key).await.unwrap(), Some(value.clone()));
        // A cache with the JSON codec reads it too, because the envelope names the codec.
        let json = Cache::new(scope.client.clone());
        assert_eq!(json.get::<Vec<u8>>(&key).await.unwrap(), Some(value));
    }
    let error = cache.set(&key, &7, MINUTE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
}

pub(crate) async fn plain_is_strict(scope: Scope) {
    let options = CacheOptions::new().form(Form::Plain);
    let (cache, key) = (Cache::with_options(scope.client.clone(), options), scope.key("k"));
    let large = "a".repeat(10_000);
    cache.set(&key, &large, MINUTE).await.unwrap();
    let stored: String = scope.client.get(&key).await.unwrap().unwrap();
    assert_eq!(stored, format!("\"{large}\""));
    for more in [
        EntryOptions::new(MINUTE).tags(["t"]),
        EntryOptions::new(MINUTE).stale_if_error(MINUTE),
        EntryOptions::new(MINUTE).stale_while_revalidate(MINUTE),
    ] {
        let error = cache.set(&key, "v", more.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let load = || async { Err::<u8, BoxError>("it is not asked".into()) };
        let error = cache.get_or_load(&key, more, load).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    // It reads the envelopes of other caches.
    let other = Cache::new(scope.client.clone());
    other.set(&key, &large, EntryOptions::new(MINUTE).stale_if_error(MINUTE)).await.unwrap();
    assert_eq!(cache.get::<String>(&key).await.unwrap(), Some(large));
}

pub(crate) async fn redis_keeps_what_may_be_served_stale(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let options = EntryOptions::new(MINUTE).stale_if_error(MINUTE * 9);
    cache.set(&key, "v", options.clone()).await.unwrap();
    assert!(
        matches!(scope.client.ttl(&key).await.unwrap(), Lifetime::Expires(left) if (590..=600).contains(&left.as_secs()))
    );
    let load = || async { Ok::<_, BoxError>("v".to_owned()) };
    let loaded = scope.key("loaded");
    cache.get_or_load(&loaded, options.jitter(1.0), load).await.unwrap();
    assert!(
        matches!(scope.client.ttl(&loaded).await.unwrap(), Lifetime::Expires(left) if (540..=600).contains(&left.as_secs()))
    );
}

pub(crate) async fn that_there_is_none_has_its_own_time(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let none = || async { Ok::<_, BoxError>(None::<u64>) };
    let options = LoadOptions::new(MINUTE).negative_ttl(Ttl::seconds(5));
    assert_eq!(cache.get_or_load(&key, options.clone(), none).await.unwrap(), None);
    assert!(
        matches!(scope.client.ttl(&key).await.unwrap(), Lifetime::Expires(left) if (1..=5).contains(&left.as_secs()))
    );
    assert_eq!(cache.get_or_load(&key, options, none).await.unwrap(), None);
    assert_eq!(cache.stats().loads, 1);
    let other = scope.key("other");
    let not_at_all = LoadOptions::new(MINUTE).negative_ttl(None);
    assert_eq!(cache.get_or_load(&other, not_at_all.clone(), none).await.unwrap(), None);
    assert_eq!(scope.client.exists([&other]).await.unwrap(), 0);
    let some = || async { Ok::<_, BoxError>(Some(1_u64)) };
    assert_eq!(cache.get_or_load(&other, not_at_all, some).await.unwrap(), Some(1));
    assert!(
        matches!(scope.client.ttl(&other).await.unwrap(), Lifetime::Expires(left) if (6..=60).contains(&left.as_secs()))
    );
}

pub(crate) async fn a_namespace_holds_one_type(scope: Scope) {
    let space = Keyspace::new([scope.unique("namespace")]).unwrap();
    let cache = Cache::new(scope.client.clone());
    let numbers: Namespace<u64> = cache.namespace(space.join(["number"]).unwrap(), MINUTE);
    let others: Namespace<u64> = cache.namespace(space.join(["numbers"]).unwrap(), MINUTE);
    numbers.set(["a"], &1).await.unwrap();
    others.set(["a"], &2).await.unwrap();
    let load = || async { Ok::<_, BoxError>(3) };
    assert_eq!(numbers.get_or_load(["x:*", "y"], load).await.unwrap(), 3);
    assert_eq!(numbers.get_many(["a", "b"]).await.unwrap(), [Some(1), None]);
    let distribution: KeyDistribution = cache.key_distribution(2, u64::MAX).await.unwrap();
    assert!(distribution.complete);
    assert_eq!(distribution.namespaces[space.join(["number"]).unwrap().as_str()], 2);
    assert_eq!(numbers.clear().await.unwrap().count(), 2);
    assert_eq!(numbers.get(["a"]).await.unwrap(), None);
    assert_eq!(others.get(["a"]).await.unwrap(), Some(2), "no other's keys are cleared");
    assert_eq!(others.delete(["a"]).await.unwrap().count(), 1);
}

pub(crate) async fn warming_loads_what_is_used(scope: Scope) {
    let space = Keyspace::new([scope.unique("warm")]).unwrap();
    let usage = Usage::new(scope.client.clone(), &space, 3).unwrap();
    for id in ["a", "b", "a", "c", "a", "b", "d"] {
        usage.record(id).await.unwrap();
    }
    assert_eq!(usage.most_used(2).await.unwrap(), ["a", "b"]);
    assert_eq!(usage.most_recent(10).await.unwrap().len(), 3, "no more than three are kept");

    let cache = Cache::new(scope.client.clone());
    let keys = ["a", "b", "c"].map(|id| space.key([id]).unwrap());
    cache.set(&keys[0], "here", MINUTE).await.unwrap();
    let load = |key: edgecask::Key| async move {
        if key.as_str().ends_with('c') { Err("the database is away") } else { Ok(key.to_string()) }
    };
    let warmed = cache.warm::<String, _, _>(keys, WarmOptions::new(MINUTE), load).await;
    assert_eq!((warmed.done, warmed.succeeded, warmed.failed, warmed.given_up), (3, 2, 1, false));
    assert_eq!(cache.stats().loads, 2, "what is cached is not loaded");

    // Warming is given up after failures in a row.
    let keys = (0..100).map(|number| space.key(["many", &number.to_string()]).unwrap());
    let options = WarmOptions::new(MINUTE).concurrency(1).give_up_after(5);
    let failing = |_| async { Err::<String, _>("the database is away") };
    let warmed = cache.warm(keys, options, failing).await;
    assert!(warmed.given_up);
    assert_eq!((warmed.failed, cache.stats().loads), (5, 7));
    usage.clear().await.unwrap();
    assert!(usage.most_used(2).await.unwrap().is_empty());
}
