//! Stale values, timeouts, and reads that bypass the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::cache::{Cache, EntryOptions, LoadOptions};
use edgecask::{BoxError, ErrorKind, Key, platform};

use crate::Scope;

const MINUTE: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

/// An entry that is stale already.
async fn stale(cache: &Cache, key: &Key, options: EntryOptions) {
    cache.set(key, "old", options).await.unwrap();
    while cache.get::<String>(key).await.unwrap().is_some() {
        platform::sleep(MOMENT).await;
    }
    cache.reset_stats();
}

async fn failing() -> Result<String, &'static str> {
    Err("the database is away")
}

async fn new() -> Result<String, BoxError> {
    Ok("new".to_owned())
}

pub(crate) async fn a_stale_value_helps_when_a_load_fails(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let options = EntryOptions::new(MOMENT).stale_if_error(MINUTE);
    stale(&cache, &key, options.clone()).await;
    assert_eq!(cache.get_or_load(&key, options, failing).await.unwrap(), "old");
    assert_eq!((cache.stats().stale, cache.stats().hits), (1, 0));
    // A caller that does not allow stale values gets the error.
    let error = cache.get_or_load(&key, MINUTE, failing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert_eq!(cache.get_or_load(&key, MINUTE, new).await.unwrap(), "new");
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("new"));
}

pub(crate) async fn what_was_invalidated_is_not_served_stale(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let tag = scope.unique("tag");
    let options = EntryOptions::new(MOMENT).stale_if_error(MINUTE).tags([&tag]);
    stale(&cache, &key, options.clone()).await;
    cache.invalidate_tags([&tag]).await.unwrap();
    assert!(cache.get_or_load(&key, options.clone(), failing).await.is_err());
    stale(&cache, &key, options.clone()).await;
    cache.delete(&key).await.unwrap();
    assert!(cache.get_or_load(&key, options, failing).await.is_err());
}

pub(crate) async fn a_stale_value_is_served_while_it_is_reloaded(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let window = EntryOptions::new(MOMENT).stale_while_revalidate(MINUTE);
    stale(&cache, &key, window.clone()).await;
    let loads = Arc::new(AtomicU64::new(0));
    let load = || {
        let loads = Arc::clone(&loads);
        move || async move {
            loads.fetch_add(1, Ordering::SeqCst);
            new().await
        }
    };
    let fresh_for_long = EntryOptions::new(MINUTE).stale_while_revalidate(MINUTE);
    let value = cache.get_or_revalidate(&key, fresh_for_long.clone(), load()).await.unwrap();
    assert_eq!(value, "old", "at once");
    while cache.get::<String>(&key).await.unwrap().as_deref() != Some("new") {
        platform::sleep(MOMENT).await;
    }
    assert_eq!(cache.get_or_revalidate(&key, fresh_for_long, load()).await.unwrap(), "new");
    assert_eq!((loads.load(Ordering::SeqCst), cache.stats().stale), (1, 1));

    // If the load in the background fails, the old value stays.
    let other = scope.key("other");
    stale(&cache, &other, window.clone()).await;
    for _ in 0..2 {
        assert_eq!(cache.get_or_revalidate(&other, window.clone(), failing).await.unwrap(), "old");
    }
}

pub(crate) async fn the_background_is_the_callers_to_choose(scope: Scope) {
    let cache = Cache::new(scope.client.clone());
    let (key, works) = (scope.key("k"), Arc::new(AtomicU64::new(0)));
    let window = EntryOptions::new(MOMENT).stale_while_revalidate(MINUTE);
    stale(&cache, &key, window.clone()).await;
    let counter = Arc::clone(&works);
    let hooked = cache.wait_until(move |work| {
        counter.fetch_add(1, Ordering::SeqCst);
        platform::spawn(work);
    });
    assert_eq!(hooked.get_or_revalidate(&key, window, new).await.unwrap(), "old");
    assert_eq!(works.load(Ordering::SeqCst), 1);
}

pub(crate) async fn a_slow_load_is_left_or_given_up(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let entry = EntryOptions::new(MOMENT).stale_if_error(MINUTE);
    let hangs = || std::future::pending::<Result<String, BoxError>>();
    let hard = LoadOptions::new(entry.clone()).hard_timeout(MOMENT);
    let error = cache.get_or_load(&key, hard.clone(), hangs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    stale(&cache, &key, entry.clone()).await;
    assert_eq!(cache.get_or_load(&key, hard, hangs).await.unwrap(), "old");
    // The load continues, and its value is there for the next reader.
    let soft =
        LoadOptions::new(EntryOptions::new(MINUTE).stale_if_error(MINUTE)).soft_timeout(MOMENT);
    let slow = || async {
        platform::sleep(MOMENT * 50).await;
        new().await
    };
    assert_eq!(cache.get_or_revalidate(&key, soft, slow).await.unwrap(), "old");
    while cache.get::<String>(&key).await.unwrap().as_deref() != Some("new") {
        platform::sleep(MOMENT).await;
    }
}

pub(crate) async fn values_are_loaded_early_by_chance(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    let slow = || async {
        platform::sleep(MOMENT * 2).await;
        new().await
    };
    let never = LoadOptions::new(MINUTE).early_refresh(0.0);
    cache.get_or_load(&key, never.clone(), slow).await.unwrap();
    cache.get_or_load(&key, never, slow).await.unwrap();
    assert_eq!((cache.stats().loads, cache.stats().early), (1, 0));
    let always = LoadOptions::new(MINUTE).early_refresh(1e12);
    assert_eq!(cache.get_or_load(&key, always.clone(), failing).await.unwrap(), "new");
    cache.get_or_load(&key, always, slow).await.unwrap();
    assert_eq!((cache.stats().loads, cache.stats().early), (3, 2));
}

pub(crate) async fn reading_past_the_cache(scope: Scope) {
    let (cache, key) = (Cache::new(scope.client.clone()), scope.key("k"));
    cache.set(&key, "old", MINUTE).await.unwrap();
    let bypass = LoadOptions::new(MINUTE).bypass();
    assert_eq!(cache.get_or_load(&key, bypass.clone(), new).await.unwrap(), "new");
    assert_eq!(cache.get_or_revalidate(&key, bypass, new).await.unwrap(), "new");
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("old"));
    let refresh = LoadOptions::new(MINUTE).refresh();
    assert_eq!(cache.get_or_load(&key, refresh, new).await.unwrap(), "new");
    assert_eq!(cache.get::<String>(&key).await.unwrap().as_deref(), Some("new"));
}
