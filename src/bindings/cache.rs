use std::time::Duration;

use js_sys::{Array, Function, JSON, Promise};
use serde_json::value::RawValue;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::client::JsClient;
use super::convert;
use crate::cache::{
    Cache, CacheOptions, Compression, EntryOptions, Form, L1Options, LoadOptions, Ttl,
};
use crate::{BoxError, Key, Keyspace, Pattern, Result};

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
            let (key, value) = (Key::verbatim(key)?, json(&value)?);
            self.0.set(&key, &value, entry_options(&options)?).await
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
            let load = || async move {
                let thrown = |error: JsValue| convert::exception(&error);
                let loading = load.call0(&JsValue::UNDEFINED).map_err(thrown)?;
                let value = JsFuture::from(Promise::resolve(&loading)).await.map_err(thrown)?;
                Ok::<_, BoxError>(json(&value)?)
            };
            self.0.get_or_revalidate::<Json, _, _>(&key, options, load).await
        };
        parse(Some(found.await.map_err(convert::error)?))
    }

    /// Deletes entries; tells how many were there.
    pub async fn delete(&self, keys: Vec<String>) -> Result<f64, JsValue> {
        let deleted = async { self.0.delete_many(&verbatim(keys)?).await };
        deleted.await.map(|count| count as f64).map_err(convert::error)
    }

    /// Invalidates every entry that has one of these tags, whatever their number: one command a tag.
    #[wasm_bindgen(js_name = invalidateTags)]
    pub async fn invalidate_tags(&self, tags: Vec<String>) -> Result<(), JsValue> {
        self.0.invalidate_tags(tags).await.map_err(convert::error)
    }

    /// Deletes every entry whose key matches a glob, such as `user:1:*`; tells how many there were. It walks through all
    /// keys of the database.
    #[wasm_bindgen(js_name = deleteMatching)]
    pub async fn delete_matching(&self, pattern: String) -> Result<f64, JsValue> {
        let deleted = async { self.0.delete_matching(&Pattern::verbatim(pattern)?).await };
        deleted.await.map(|count| count as f64).map_err(convert::error)
    }

    /// Invalidates everything: by the option `generation`, one command, or by the option `keyspace`.
    pub async fn clear(&self) -> Result<(), JsValue> {
        self.0.clear().await.map_err(convert::error)
    }

    /// Whether the cache answers. Never rejects because of the cache.
    #[wasm_bindgen(unchecked_return_type = "Health")]
    pub async fn health(&self) -> Result<JsValue, JsValue> {
        convert::to_js(&self.0.health().await).map_err(convert::error)
    }

    /// What the cache has done.
    #[wasm_bindgen(unchecked_return_type = "CacheStats")]
    pub fn stats(&self) -> Result<JsValue, JsValue> {
        convert::to_js(&self.0.stats()).map_err(convert::error)
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

fn json(value: &JsValue) -> Result<Json> {
    let none = || convert::invalid("a value is something that JSON can hold");
    let text = JSON::stringify(value).ok().and_then(|text| text.as_string()).ok_or_else(none)?;
    RawValue::from_string(text).map_err(|_| none())
}

fn parse(found: Option<Json>) -> Result<JsValue, JsValue> {
    found.map_or(Ok(JsValue::UNDEFINED), |json| JSON::parse(json.get()))
}

fn texts(options: &JsValue, name: &str, message: &'static str) -> Result<Vec<String>> {
    let Some(list) = convert::option(options, name) else {
        return Ok(Vec::new());
    };
    let invalid = || convert::invalid(message);
    let list = list.dyn_into::<Array>().map_err(|_| invalid())?;
    list.iter().map(|text| text.as_string().ok_or_else(invalid)).collect()
}

fn cache_options(options: &JsValue) -> Result<CacheOptions> {
    let mut cache = CacheOptions::new();
    if let Some(tier) = convert::tier(options)? {
        cache = cache.tier(tier);
    }
    if convert::option(options, "plain").is_some_and(|yes| yes.is_truthy()) {
        cache = cache.form(Form::Plain);
    }
    if convert::option(options, "coalesce").is_some_and(|yes| yes.is_truthy()) {
        cache = cache.coalesce(true);
    }
    if let Some(tag) = convert::option(options, "generation").and_then(|tag| tag.as_string()) {
        cache = cache.generation(tag);
    }
    let parts = texts(options, "keyspace", "keyspace is a list of strings, its parts")?;
    if !parts.is_empty() {
        cache = cache.keyspace(Keyspace::new(parts)?);
    }
    let message = "compressionThreshold is a whole number above 0: bytes";
    if let Some(threshold) = convert::positive(options, "compressionThreshold", message)? {
        let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
        cache = cache.compression(Compression::gzip().threshold(threshold));
    }
    if let Some(l1) = convert::option(options, "l1") {
        let mut own = L1Options::new();
        let message = "l1.ttlMs and l1.bytes are whole numbers above 0";
        if let Some(millis) = convert::positive(&l1, "ttlMs", message)? {
            own = own.ttl(Duration::from_millis(millis));
        }
        if let Some(bytes) = convert::positive(&l1, "bytes", message)? {
            own = own.bytes(bytes);
        }
        cache = cache.l1(own);
    }
    Ok(cache)
}

const TTL: &str = "the time to live is a whole number of seconds above 0, or \"forever\"";

fn ttl(value: &JsValue) -> Result<Ttl> {
    if value.as_string().as_deref() == Some("forever") {
        return Ok(Ttl::FOREVER);
    }
    match value.as_f64() {
        Some(seconds) if seconds >= 1.0 && seconds.fract() == 0.0 => {
            Ok(Ttl::seconds(seconds as u64))
        }
        _ => Err(convert::invalid(TTL)),
    }
}

fn entry_options(options: &JsValue) -> Result<EntryOptions> {
    if !options.is_object() {
        return ttl(options).map(EntryOptions::new);
    }
    let seconds = convert::option(options, "ttlSeconds").ok_or_else(|| convert::invalid(TTL))?;
    let mut entry = EntryOptions::new(ttl(&seconds)?);
    if let Some(part) = convert::option(options, "jitter").and_then(|part| part.as_f64()) {
        entry = entry.jitter(part);
    }
    entry = entry.tags(texts(options, "tags", "tags is a list of strings")?);
    let message = "staleWhileRevalidateSeconds and staleIfErrorSeconds are whole numbers above 0";
    if let Some(seconds) = convert::positive(options, "staleWhileRevalidateSeconds", message)? {
        entry = entry.stale_while_revalidate(Duration::from_secs(seconds));
    }
    if let Some(seconds) = convert::positive(options, "staleIfErrorSeconds", message)? {
        entry = entry.stale_if_error(Duration::from_secs(seconds));
    }
    Ok(entry)
}

fn load_options(options: &JsValue) -> Result<LoadOptions> {
    let mut load = LoadOptions::new(entry_options(options)?);
    if let Some(negative) = convert::option(options, "negativeTtlSeconds") {
        load = load.negative_ttl(match negative.as_f64() {
            Some(0.0) => None,
            _ => Some(ttl(&negative)?),
        });
    }
    let message = "softTimeoutMs and hardTimeoutMs are whole numbers above 0";
    if let Some(millis) = convert::positive(options, "softTimeoutMs", message)? {
        load = load.soft_timeout(Duration::from_millis(millis));
    }
    if let Some(millis) = convert::positive(options, "hardTimeoutMs", message)? {
        load = load.hard_timeout(Duration::from_millis(millis));
    }
    if let Some(beta) = convert::option(options, "earlyRefresh").and_then(|beta| beta.as_f64()) {
        load = load.early_refresh(beta);
    }
    match convert::option(options, "mode").and_then(|mode| mode.as_string()).as_deref() {
        None => Ok(load),
        Some("refresh") => Ok(load.refresh()),
        Some("bypass") => Ok(load.bypass()),
        Some(_) => Err(convert::invalid("mode is \"refresh\" or \"bypass\"")),
    }
}
