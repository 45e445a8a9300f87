//! The cache, in JavaScript.

mod options;
mod warm;

use js_sys::{Array, Function, JSON, Object, Promise};
use serde_json::value::RawValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

pub(super) use self::options::tier;
use self::options::{cache_options, entry_options, load_options};
use super::call;
use super::client::JsClient;
use super::{convert, json};
use crate::cache::{Cache, ServerStats};
use crate::{BoxError, Key, Pattern, Result};

/// The types that wasm-bindgen cannot derive.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.ts");

/// A cache of JSON values: loaded when they are missing, by one caller at a time; stored packed, tagged, or to be served
/// stale.
#[wasm_bindgen(js_name = Cache)]
#[derive(Debug)]
pub struct JsCache(Cache);

/// A value as JSON text: JavaScript makes and reads it.
type Json = Box<RawValue>;

#[wasm_bindgen(js_class = Cache)]
impl JsCache {
    /// A cache over this client.
    #[wasm_bindgen(constructor)]
    pub fn new(
        client: &JsClient,
        #[wasm_bindgen(unchecked_optional_param_type = "CacheOptions")] options: &JsValue,
    ) -> Result<JsCache, JsValue> {
        let options = cache_options(options).map_err(convert::error)?;
        Ok(Self(Cache::with_options(client.0.clone(), options)))
    }

    /// The same cache, whose background work is handed to this function. In a Worker:
    /// `cache.waitUntil((work) => context.waitUntil(work))`.
    #[wasm_bindgen(js_name = waitUntil)]
    pub fn wait_until(
        &self,
        #[wasm_bindgen(unchecked_param_type = "(work: Promise<unknown>) => void")] hook: Function,
    ) -> JsCache {
        Self(self.0.wait_until(move |work| {
            let work = future_to_promise(async {
                work.await;
                Ok(JsValue::UNDEFINED)
            });
            if hook.call1(&JsValue::UNDEFINED, &work).is_err() {
                tracing::warn!("waitUntil threw an exception");
            }
        }))
    }

    /// The value of a key, or `undefined` if it is not cached. A cached `null` is `null`.
    #[wasm_bindgen(unchecked_return_type = "any")]
    pub async fn get(&self, key: String) -> Result<JsValue, JsValue> {
        let found = async { self.0.get::<Json>(&Key::verbatim(key)?).await };
        parse(found.await.map_err(convert::error)?)
    }

    /// The values of keys in their order, in one round trip.
    #[wasm_bindgen(js_name = getMany, unchecked_return_type = "any[]")]
    pub async fn get_many(&self, keys: Vec<String>) -> Result<JsValue, JsValue> {
        let found = async { self.0.get_many::<Json>(&verbatim(keys)?).await };
        let found = found.await.map_err(convert::error)?;
        Ok(found.into_iter().map(parse).collect::<Result<Array, JsValue>>()?.into())
    }

    /// Stores a value. `options` is its time to live in seconds, or more than that.
    pub async fn set(
        &self,
        key: String,
        #[wasm_bindgen(unchecked_param_type = "unknown")] value: JsValue,
        #[wasm_bindgen(unchecked_param_type = "number | EntryOptions")] options: JsValue,
    ) -> Result<(), JsValue> {
        let set = async {
            let (key, value) = (Key::verbatim(key)?, stringify(&value)?);
            self.0.set(&key, &value, entry_options(&options)?).await
        };
        set.await.map_err(convert::error)
    }

    /// Stores the values of an object under its keys, in one round trip.
    #[wasm_bindgen(js_name = setMany)]
    pub async fn set_many(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Record<string, unknown>")] entries: Object,
        #[wasm_bindgen(unchecked_param_type = "number | EntryOptions")] options: JsValue,
    ) -> Result<(), JsValue> {
        let set = async {
            let entries = Object::entries(&entries).into_iter().map(|entry| {
                let entry = Array::from(&entry);
                let key = entry.get(0).as_string().unwrap_or_default();
                Ok((Key::verbatim(key)?, stringify(&entry.get(1))?))
            });
            let entries = entries.collect::<Result<Vec<(Key, Json)>>>()?;
            let entries = entries.iter().map(|(key, value)| (key, value));
            self.0.set_many(entries, entry_options(&options)?).await
        };
        set.await.map_err(convert::error)
    }

    /// The value of a key; if it is not cached, what `load` gives, which is stored. `options` is its time to live in
    /// seconds, or more than that.
    #[wasm_bindgen(js_name = getOrLoad, unchecked_return_type = "any")]
    pub async fn get_or_load(
        &self,
        key: String,
        #[wasm_bindgen(unchecked_param_type = "number | LoadOptions")] options: JsValue,
        #[wasm_bindgen(unchecked_param_type = "() => unknown")] load: Function,
    ) -> Result<JsValue, JsValue> {
        let found = async {
            let (key, options) = (Key::verbatim(key)?, load_options(&options)?);
            let load = || async move { loaded(load.call0(&JsValue::UNDEFINED)).await };
            self.0.get_or_revalidate::<Json, _, _>(&key, options, load).await
        };
        parse(Some(found.await.map_err(convert::error)?))
    }

    /// Deletes entries; tells how many were there.
    pub async fn delete(&self, keys: Vec<String>) -> Result<f64, JsValue> {
        let deleted = async { self.0.delete_many(&verbatim(keys)?).await };
        deleted.await.map(|deleted| deleted.count() as f64).map_err(convert::error)
    }

    /// Invalidates every entry that has one of these tags, whatever their number: one command a tag.
    #[wasm_bindgen(js_name = invalidateTags)]
    pub async fn invalidate_tags(&self, tags: Vec<String>) -> Result<(), JsValue> {
        self.0.invalidate_tags(tags).await.map(|_| ()).map_err(convert::error)
    }

    /// Deletes every entry whose key matches a glob, such as `user:1:*`; tells how many there were. It walks through all
    /// keys of the database.
    #[wasm_bindgen(js_name = deleteMatching)]
    pub async fn delete_matching(&self, pattern: String) -> Result<f64, JsValue> {
        let deleted = async { self.0.delete_matching(&Pattern::verbatim(pattern)?).await };
        deleted.await.map(|deleted| deleted.count() as f64).map_err(convert::error)
    }

    /// Invalidates everything: by the option `generation`, one command, or by the option `keyspace`.
    pub async fn clear(&self) -> Result<(), JsValue> {
        self.0.clear().await.map(|_| ()).map_err(convert::error)
    }

    /// Follows what other processes invalidate, by the option `bus`, and forgets it in the first tier. It goes on until the
    /// signal aborts; rejects with what ends the subscription for good.
    #[wasm_bindgen(js_name = followInvalidations)]
    pub async fn follow_invalidations(
        &self,
        #[wasm_bindgen(unchecked_optional_param_type = "{ signal?: AbortSignal }")]
        options: JsValue,
    ) -> Result<(), JsValue> {
        let cache = self.0.clone();
        call::until_aborted(&options, async { cache.follow_invalidations().await }).await
    }

    /// How the keys of the database are distributed over namespaces, which are the first `parts` of each key; of `sample`
    /// keys.
    #[wasm_bindgen(js_name = keyDistribution, unchecked_return_type = "KeyDistribution")]
    pub async fn key_distribution(&self, parts: u32, sample: u32) -> Result<JsValue, JsValue> {
        let found = self.0.key_distribution(parts as usize, u64::from(sample)).await;
        found.and_then(|found| json::to_js(&found)).map_err(convert::error)
    }

    /// What the server says of itself (INFO). What it does not say is `null`.
    #[wasm_bindgen(js_name = serverStats, unchecked_return_type = "ServerStats")]
    pub async fn server_stats(&self) -> Result<JsValue, JsValue> {
        let stats = ServerStats::of(self.0.client()).await;
        stats.and_then(|stats| json::to_js(&stats)).map_err(convert::error)
    }

    /// Whether the cache answers. Never rejects because of the cache.
    #[wasm_bindgen(unchecked_return_type = "Health")]
    pub async fn health(&self) -> Result<JsValue, JsValue> {
        json::to_js(&self.0.health().await).map_err(convert::error)
    }

    /// What the cache has done.
    #[wasm_bindgen(unchecked_return_type = "CacheStats")]
    pub fn stats(&self) -> Result<JsValue, JsValue> {
        json::to_js(&self.0.stats()).map_err(convert::error)
    }

    /// Sets the statistics back to zero.
    #[wasm_bindgen(js_name = resetStats)]
    pub fn reset_stats(&self) {
        self.0.reset_stats();
    }

    /// The statistics in Prometheus's text format, with the label `cache` of this name.
    pub fn prometheus(&self, name: &str) -> String {
        self.0.stats().prometheus(name)
    }
}

fn verbatim(keys: Vec<String>) -> Result<Vec<Key>> {
    keys.into_iter().map(Key::verbatim).collect()
}

/// What a loader gave, at once or as a promise.
async fn loaded(given: Result<JsValue, JsValue>) -> Result<Json, BoxError> {
    let thrown = |error: JsValue| json::exception(&error);
    let loading = given.map_err(thrown)?;
    let value = JsFuture::from(Promise::resolve(&loading)).await.map_err(thrown)?;
    Ok(stringify(&value)?)
}

fn stringify(value: &JsValue) -> Result<Json> {
    let none = || convert::invalid("a value is something that JSON can hold");
    let text = JSON::stringify(value).ok().and_then(|text| text.as_string()).ok_or_else(none)?;
    RawValue::from_string(text).map_err(|_| none())
}

fn parse(found: Option<Json>) -> Result<JsValue, JsValue> {
    found.map_or(Ok(JsValue::UNDEFINED), |json| JSON::parse(json.get()))
}
