//! The cache, in JavaScript. Values are JSON text, which the face makes and reads.

mod options;
mod warm;

use std::future::Future;

use js_sys::{Array, Function, Promise};
use serde_json::value::RawValue;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

pub(super) use self::options::tier;
use self::options::{cache_options, entry_options, load_options};
use super::call::{self, promise};
use super::client::JsClient;
use super::{convert, json, log};
use edgecask::cache::{Cache, Invalidated, ServerStats};
use edgecask::platform;
use edgecask::{BoxError, Key, Pattern, Result};

/// A cache of JSON values.
#[wasm_bindgen(js_name = Cache)]
#[derive(Debug)]
pub struct JsCache {
    cache: Cache,
    log: Option<Dispatch>,
}

/// A value as JSON text.
type Json = Box<RawValue>;

#[wasm_bindgen(js_class = Cache)]
impl JsCache {
    /// A cache over this client, with `CacheOptions`.
    #[wasm_bindgen(constructor)]
    pub fn new(client: &JsClient, options: &JsValue) -> Result<JsCache, JsValue> {
        let cache = cache_options(options).map_err(convert::error)?;
        let cache = Cache::with_options(client.client.clone(), cache);
        Ok(Self { cache, log: client.log_of(options) })
    }

    /// The same cache, which passes its background work to this function.
    #[wasm_bindgen(js_name = waitUntil)]
    pub fn wait_until(&self, hook: Function) -> JsCache {
        let cache = self.cache.wait_until(move |work| {
            let work = async {
                work.await;
                Ok(JsValue::UNDEFINED)
            };
            let work = future_to_promise(work.with_current_subscriber());
            if hook.call1(&JsValue::UNDEFINED, &work).is_err() {
                tracing::warn!("waitUntil threw an exception");
            }
        });
        Self { cache, log: self.log.clone() }
    }

    /// The value of a key, or `undefined` if it is not cached.
    pub fn get(&self, key: String, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| {
            let found = cache.get::<Json>(&Key::verbatim(key)?).await?;
            Ok(found.map_or(JsValue::UNDEFINED, |value| given(&value)))
        })
    }

    /// The values of keys in their order, in one round trip.
    #[wasm_bindgen(js_name = getMany)]
    pub fn get_many(&self, keys: Vec<String>, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| {
            let found = cache.get_many::<Json>(&verbatim(keys)?).await?;
            let found = found
                .into_iter()
                .map(|value| value.map_or(JsValue::UNDEFINED, |value| given(&value)));
            Ok(found.collect::<Array>())
        })
    }

    /// Stores values under keys, in two round trips, and returns whether the change is owed.
    #[wasm_bindgen(js_name = setMany)]
    pub fn set_many(&self, keys: Vec<String>, values: Vec<String>, options: JsValue) -> Promise {
        self.call(options.clone(), async move |cache: Cache| {
            let values = values.into_iter().map(value).collect::<Result<Vec<Json>>>()?;
            let (keys, options) = (verbatim(keys)?, entry_options(&options));
            let stored = cache.set_many(keys.iter().zip(&values), options).await?;
            Ok(stored.is_owed())
        })
    }

    /// The value of a key. If it is not cached, `load` is called and its result is stored.
    #[wasm_bindgen(js_name = getOrLoad)]
    pub fn get_or_load(&self, key: String, options: JsValue, load: Function) -> Promise {
        self.call(options.clone(), async move |cache: Cache| {
            let (key, options) = (Key::verbatim(key)?, load_options(&options));
            let load = || async move { loaded(&load, JsValue::UNDEFINED).await };
            let found = cache.get_or_revalidate::<Json, _, _>(&key, options, load).await?;
            Ok(given(&found))
        })
    }

    /// The values of keys in their order. One call of `load` loads all values that are not cached, and they are stored.
    /// `load` gets the missing keys, and returns a list of keys and a list of their values.
    #[wasm_bindgen(js_name = getOrLoadMany)]
    pub fn get_or_load_many(&self, keys: Vec<String>, options: JsValue, load: Function) -> Promise {
        self.call(options.clone(), async move |cache: Cache| {
            let (keys, options) = (verbatim(keys)?, load_options(&options));
            let load = |missing: Vec<Key>| loaded_many(&load, missing);
            let found = cache.get_or_load_many::<Json, _, _, _>(&keys, options, load).await?;
            let in_order = keys.iter().map(|key| found.get(key));
            let values =
                in_order.map(|value| value.map_or(JsValue::UNDEFINED, |value| given(value)));
            Ok(values.collect::<Array>())
        })
    }

    /// Deletes entries, and returns how many existed, and whether the deletion is owed.
    pub fn delete(&self, keys: Vec<String>, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| {
            Ok(deleted(cache.delete_many(&verbatim(keys)?).await?))
        })
    }

    /// Invalidates every entry that has one of these tags, and returns whether the change is owed.
    #[wasm_bindgen(js_name = invalidateTags)]
    pub fn invalidate_tags(&self, tags: Vec<String>, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| {
            Ok(cache.invalidate_tags(tags).await?.is_owed())
        })
    }

    /// Deletes every entry whose key matches a glob, and returns how many existed, and whether the deletion is owed.
    #[wasm_bindgen(js_name = deleteMatching)]
    pub fn delete_matching(&self, pattern: String, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| {
            Ok(deleted(cache.delete_matching(&Pattern::verbatim(pattern)?).await?))
        })
    }

    /// Invalidates all entries, and returns whether the change is owed.
    pub fn clear(&self, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| Ok(cache.clear().await?.is_owed()))
    }

    /// The number of invalidations that are still to be sent to Redis.
    pub fn owed(&self) -> f64 {
        self.cache.owed() as f64
    }

    /// Sends the owed invalidations, and returns whether none is left.
    #[wasm_bindgen(js_name = catchUp)]
    pub fn catch_up(&self, limits: JsValue) -> Promise {
        self.call(limits, async move |cache: Cache| Ok(cache.catch_up().await))
    }

    /// Applies the invalidations of other processes, until the signal aborts.
    #[wasm_bindgen(js_name = followInvalidations)]
    pub fn follow_invalidations(&self, options: JsValue) -> Promise {
        let cache = self.cache.clone();
        promise(self.log(), async move {
            let followed = call::until_aborted(&options, cache.follow_invalidations()).await;
            followed.map(|()| JsValue::UNDEFINED)
        })
    }

    /// The distribution of the keys of the database over namespaces.
    #[wasm_bindgen(js_name = keyDistribution)]
    pub fn key_distribution(&self, parts: u32, sample: u32) -> Promise {
        let cache = self.cache.clone();
        promise(self.log(), async move {
            let found = cache.key_distribution(parts as usize, u64::from(sample)).await;
            json::text(&found.map_err(convert::error)?)
        })
    }

    /// Statistics of the server (INFO).
    #[wasm_bindgen(js_name = serverStats)]
    pub fn server_stats(&self) -> Promise {
        let cache = self.cache.clone();
        promise(self.log(), async move {
            json::text(&ServerStats::of(cache.client()).await.map_err(convert::error)?)
        })
    }

    /// Whether the cache answers.
    pub fn health(&self) -> Promise {
        let cache = self.cache.clone();
        promise(self.log(), async move { json::text(&cache.health().await) })
    }

    /// The statistics of the cache.
    pub fn stats(&self) -> Result<String, JsValue> {
        json::text(&self.cache.stats())
    }

    /// Sets the statistics back to zero.
    #[wasm_bindgen(js_name = resetStats)]
    pub fn reset_stats(&self) {
        self.cache.reset_stats();
    }

    /// The statistics in Prometheus's text format.
    pub fn prometheus(&self, name: &str) -> String {
        self.cache.stats().prometheus(name)
    }
}

impl JsCache {
    fn log(&self) -> Dispatch {
        log::or_module(self.log.as_ref())
    }

    /// A call within the limits `signal` and `timeoutMs` of these options.
    fn call<T, F>(&self, limits: JsValue, work: impl FnOnce(Cache) -> F + 'static) -> Promise
    where
        T: Into<JsValue>,
        F: Future<Output = Result<T>> + 'static,
    {
        let work = work(self.cache.clone());
        promise(self.log(), async move { call::limited(&limits, platform::send(|| work)).await })
    }
}

fn verbatim(keys: Vec<String>) -> Result<Vec<Key>> {
    keys.into_iter().map(Key::verbatim).collect()
}

/// The JSON text of a value that a loader returns.
async fn loaded(load: &Function, argument: JsValue) -> Result<Json, BoxError> {
    let text = json::call(load, &JsValue::UNDEFINED, &argument).await?;
    Ok(value(text.as_string().unwrap_or_default())?)
}

/// The JSON texts of the values that a loader returns for keys.
async fn loaded_many(load: &Function, missing: Vec<Key>) -> Result<Vec<(Key, Json)>, BoxError> {
    let missing: Array = missing.iter().map(|key| JsValue::from(key.as_str())).collect();
    let pairs = json::call(load, &JsValue::UNDEFINED, &missing).await?;
    let (keys, values) = (list(&pairs, 0), list(&pairs, 1));
    let pairs = keys.iter().zip(values.iter()).map(|(key, text)| {
        let (key, text) = (key.as_string(), text.as_string());
        Ok((Key::verbatim(key.unwrap_or_default())?, value(text.unwrap_or_default())?))
    });
    pairs.collect()
}

/// A list in a list that the face has made.
fn list(of: &JsValue, at: u32) -> Array {
    Array::from(&Array::from(of).get(at))
}

/// How many entries were deleted, and whether the deletion is owed.
fn deleted(deleted: Invalidated) -> Array {
    [JsValue::from(deleted.count() as f64), deleted.is_owed().into()].into_iter().collect()
}

fn value(text: String) -> Result<Json> {
    let none = |_| convert::invalid("a value is something that JSON can hold");
    RawValue::from_string(text).map_err(none)
}

fn given(value: &RawValue) -> JsValue {
    value.get().into()
}
