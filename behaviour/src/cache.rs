use std::collections::BTreeMap;
use std::time::Duration;

use edgecask::cache::{Cache, Ttl};
use edgecask::command::keys::Lifetime;
use edgecask::prelude::*;
use edgecask::{BoxError, ErrorKind};

use crate::Scope;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn values_are_typed(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    assert_eq!(cache.get::<u64>(&key).await.unwrap(), None);
    let value = BTreeMap::from([("big", u64::MAX), ("small", 0)]);
    cache.set(&key, &value, MINUTE).await.unwrap();
    let stored: String = scope.client.get(&key).await.unwrap().unwrap();
    assert_eq!(stored, r#"{"big":18446744073709551615,"small":0}"#, "plain JSON");
    let found: BTreeMap<String, u64> = cache.get(&key).await.unwrap().unwrap();
    assert_eq!(found["big"], u64::MAX);
    cache.set(&key, &None::<u64>, MINUTE).await.unwrap();
    assert_eq!(cache.get::<Option<u64>>(&key).await.unwrap(), Some(None), "null is not absent");
    assert_eq!(cache.delete(&key).await.unwrap().count(), 1);
    assert_eq!(cache.delete(&key).await.unwrap().count(), 0);
    assert_eq!(cache.get::<u64>(&key).await.unwrap(), None);
}

pub(crate) async fn every_entry_expires(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    cache.set(&key, "v", MINUTE).await.unwrap();
    assert!(
        matches!(scope.client.ttl(&key).await.unwrap(), Lifetime::Expires(left) if (1..=60).contains(&left.as_secs()))
    );
    cache.set(&key, "v", Ttl::FOREVER).await.unwrap();
    assert_eq!(scope.client.ttl(&key).await.unwrap(), Lifetime::Persistent);
    let error = cache.set(&key, "v", Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let loaded = scope.key("loaded");
    cache.get_or_load(&loaded, MINUTE, || async { Ok::<_, BoxError>(1) }).await.unwrap();
    assert!(
        matches!(scope.client.ttl(&loaded).await.unwrap(), Lifetime::Expires(left) if (1..=60).contains(&left.as_secs()))
    );
}

pub(crate) async fn loading_once(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    for _ in 0..3 {
        let load = || async { Ok::<_, BoxError>("loaded".to_owned()) };
        assert_eq!(cache.get_or_load(&key, MINUTE, load).await.unwrap(), "loaded");
    }
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads, stats.stored), (2, 1, 1, 1));
    assert_eq!(stats.errors, 0);
    let failed = || async { Err::<String, _>("the database is away") };
    let error = cache.get_or_load(&scope.key("other"), MINUTE, failed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(scope.client.exists([scope.key("other")]).await.unwrap(), 0);
}

pub(crate) async fn an_invalidation_beats_a_load(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    // The entry is deleted after the loader has read the old value and before it is stored.
    let load = || async {
        cache.delete(&key).await?;
        Ok::<_, BoxError>("old".to_owned())
    };
    assert_eq!(cache.get_or_load(&key, MINUTE, load).await.unwrap(), "old");
    assert_eq!(cache.get::<String>(&key).await.unwrap(), None, "the old value is not stored");
    assert_eq!(cache.stats().refused, 1);
    let load = || async {
        cache.delete_matching(&scope.pattern()).await?;
        Ok::<_, BoxError>("old".to_owned())
    };
    cache.get_or_load(&key, MINUTE, load).await.unwrap();
    assert_eq!(cache.get::<String>(&key).await.unwrap(), None, "nor after a deletion by pattern");
    let load = || async { Ok::<_, BoxError>("new".to_owned()) };
    cache.get_or_load(&key, MINUTE, load).await.unwrap();
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("new"));
}

pub(crate) async fn patterns(scope: Scope) {
    let cache = Cache::new(scope.client.clone());
    let keys: Vec<_> = (0..30).map(|number| scope.key(&number.to_string())).collect();
    cache.set_many(keys.iter().map(|key| (key, &1)), MINUTE).await.unwrap();
    let unrelated = scope.unique("unrelated");
    scope.client.setex(&unrelated, Duration::from_secs(60), "v").await.unwrap();
    assert_eq!(cache.delete_matching(&scope.pattern()).await.unwrap().count(), 30);
    assert_eq!(scope.client.exists(&keys).await.unwrap(), 0);
    assert_eq!(scope.client.del([&unrelated]).await.unwrap(), 1);
}

pub(crate) async fn many_entries(scope: Scope) {
    let cache = Cache::new(scope.client.clone());
    let keys = ["a", "b", "c"].map(|name| scope.key(name));
    let values = [1, 2];
    cache.set_many(keys.iter().zip(&values), MINUTE).await.unwrap();
    assert_eq!(cache.get_many::<i32>(&keys).await.unwrap(), [Some(1), Some(2), None]);
    assert!(
        matches!(scope.client.ttl(&keys[1]).await.unwrap(), Lifetime::Expires(left) if (1..=60).contains(&left.as_secs()))
    );
    assert_eq!(cache.delete_many(&keys).await.unwrap().count(), 2);
    assert_eq!(cache.get_many::<i32>(&[]).await.unwrap(), []);
}

pub(crate) async fn a_broken_entry_is_reloaded(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    scope.client.set(&key, "{not json").await.unwrap();
    let error = cache.get::<u64>(&key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Codec);
    let load = || async { Ok::<_, BoxError>(7_u64) };
    assert_eq!(cache.get_or_load(&key, MINUTE, load).await.unwrap(), 7);
    assert_eq!(cache.get::<u64>(&key).await.unwrap(), Some(7));
}
