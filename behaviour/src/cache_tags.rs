//! Many entries invalidated at once.

use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, EntryOptions, L1Options, Ttl};
use edgecask::command::keys::Lifetime;
use edgecask::prelude::*;
use edgecask::{BoxError, ErrorKind, Keyspace};

use crate::Scope;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) async fn a_tag_reaches_its_entries_only(scope: Scope) {
    let cache = Cache::new(scope.client.clone());
    let [user, list, other] = ["user", "list", "other"].map(|name| scope.key(name));
    let [ada, all] = ["ada", "all"].map(|tag| scope.unique(tag));
    let tagged = |tags: &[&String]| EntryOptions::new(MINUTE).tags(tags.iter().copied());
    cache.set(&user, &1, tagged(&[&ada])).await.unwrap();
    let load = || async { Ok::<_, BoxError>(2) };
    cache.get_or_load(&list, tagged(&[&ada, &all]), load).await.unwrap();
    cache.set(&other, &3, tagged(&[&all])).await.unwrap();
    let keys = [user, list, other];
    assert_eq!(cache.get_many(&keys).await.unwrap(), [Some(1), Some(2), Some(3)]);
    cache.invalidate_tags([&ada]).await.unwrap();
    assert_eq!(cache.get_many::<u64>(&keys).await.unwrap(), [None, None, Some(3)]);
    cache.set(&keys[0], &4, tagged(&[&ada])).await.unwrap();
    assert_eq!(cache.get(&keys[0]).await.unwrap(), Some(4));
    cache.invalidate_tags([&ada, &all]).await.unwrap();
    assert_eq!(cache.get_many::<u64>(&keys).await.unwrap(), [None, None, None]);
    cache.invalidate_tags(Vec::<String>::new()).await.unwrap();
    let error = cache.invalidate_tags([""]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

pub(crate) async fn a_load_that_a_tag_overtook_is_not_served(scope: Scope) {
    let (cache, key, tag) = (Cache::new(scope.client.clone()), scope.key("k"), scope.unique("t"));
    let options = EntryOptions::new(MINUTE).tags([&tag]);
    let load = || async {
        cache.invalidate_tags([&tag]).await?;
        Ok::<_, BoxError>("old".to_owned())
    };
    assert_eq!(cache.get_or_load(&key, options.clone(), load).await.unwrap(), "old");
    assert_eq!(cache.get::<String>(&key).await.unwrap(), None);
    assert_eq!(cache.stats().refused, 1);
    let load = || async { Ok::<_, BoxError>("new".to_owned()) };
    assert_eq!(cache.get_or_load(&key, options, load).await.unwrap(), "new");
}

pub(crate) async fn forgetting_a_tags_version_is_safe(scope: Scope) {
    let (cache, key, tag) = (Cache::new(scope.client.clone()), scope.key("k"), scope.unique("t"));
    let version = Keyspace::new(["edgecask", "tag"]).unwrap().key([&tag]).unwrap();
    cache.set(&key, &1, EntryOptions::new(MINUTE).tags([&tag])).await.unwrap();
    assert!(matches!(scope.client.ttl(&version).await.unwrap(), Lifetime::Expires(_)));
    cache.invalidate_tags([&tag]).await.unwrap();
    scope.client.del([&version]).await.unwrap();
    assert_eq!(cache.get::<u64>(&key).await.unwrap(), None, "not served again");
    // The tags of an entry without expiry do not expire either.
    cache.set(&key, &1, EntryOptions::new(Ttl::FOREVER).tags([&tag])).await.unwrap();
    assert_eq!(scope.client.ttl(&version).await.unwrap(), Lifetime::Persistent);
    cache.invalidate_tags([&tag]).await.unwrap();
    assert_eq!(cache.get::<u64>(&key).await.unwrap(), None);
    cache.delete(&key).await.unwrap();
}

pub(crate) async fn a_cache_is_cleared_at_once(scope: Scope) {
    let by_generation = CacheOptions::new().generation(scope.unique("generation"));
    let space = Keyspace::new([scope.unique("space")]).unwrap();
    let by_keyspace = CacheOptions::new().keyspace(space.clone());
    for options in [by_generation, by_keyspace] {
        let cache = Cache::with_options(scope.client.clone(), options.l1(L1Options::new()));
        let keys = ["a", "b"].map(|name| space.key([name]).unwrap());
        cache.set(&keys[0], &1, MINUTE).await.unwrap();
        let load = || async { Ok::<_, BoxError>(2) };
        cache.get_or_load(&keys[1], MINUTE, load).await.unwrap();
        assert_eq!(cache.get_many(&keys).await.unwrap(), [Some(1), Some(2)]);
        cache.clear().await.unwrap();
        assert_eq!(cache.get_many::<u64>(&keys).await.unwrap(), [None, None]);
        cache.set(&keys[0], &3, MINUTE).await.unwrap();
        assert_eq!(cache.get(&keys[0]).await.unwrap(), Some(3));
        cache.delete_many(&keys).await.unwrap();
    }
    let neither = Cache::new(scope.client.clone());
    assert_eq!(neither.clear().await.unwrap_err().kind(), ErrorKind::Config);
}

pub(crate) async fn the_first_tier_forgets_tags(scope: Scope) {
    let options = CacheOptions::new().l1(L1Options::new().ttl(MINUTE));
    let cache = Cache::with_options(scope.client.clone(), options);
    let [a, b] = ["a", "b"].map(|name| scope.key(name));
    let tag = scope.unique("t");
    cache.set(&a, &1, EntryOptions::new(MINUTE).tags([&tag])).await.unwrap();
    cache.set(&b, &2, MINUTE).await.unwrap();
    for _ in 0..2 {
        assert_eq!(cache.get(&a).await.unwrap(), Some(1));
        assert_eq!(cache.get(&b).await.unwrap(), Some(2));
    }
    assert_eq!(cache.stats().l1_hits, 2);
    cache.invalidate_tags([&tag]).await.unwrap();
    assert_eq!(cache.get::<u64>(&a).await.unwrap(), None);
    assert_eq!(cache.get(&b).await.unwrap(), Some(2));
    assert_eq!(cache.stats().l1_hits, 3, "others stay");
}
