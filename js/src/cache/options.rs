use std::time::Duration;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::convert::{self, flag, option, text, texts, whole};
use edgecask::cache::{
    CacheOptions, Compression, EntryOptions, Form, L1Options, LoadOptions, SealingKeys, Tier, Ttl,
    WorkerCache,
};
use edgecask::{Keyspace, Result};

/// The property `tier`.
pub(crate) fn tier(options: &JsValue) -> Option<Tier> {
    match text(options, "tier")?.as_str() {
        "critical" => Some(Tier::Critical),
        "best-effort" => Some(Tier::BestEffort),
        _ => Some(Tier::Important),
    }
}

pub(super) fn cache_options(options: &JsValue) -> Result<CacheOptions> {
    let is_off = |name| option(options, name).is_some_and(|yes| yes.is_falsy());
    let mut cache = CacheOptions::new();
    if let Some(tier) = tier(options) {
        cache = cache.tier(tier);
    }
    if flag(options, "plain") {
        cache = cache.form(Form::Plain);
    }
    if is_off("coalesce") {
        cache = cache.coalesce(false);
    }
    if let Some(tag) = text(options, "generation") {
        cache = cache.generation(tag);
    }
    if let Some(channel) = text(options, "bus") {
        cache = cache.bus(channel);
    }
    if let Some(keys) = sealing_keys(options)? {
        cache = cache.seal(keys);
    }
    if let Some(millis) = whole(options, "leaseMs") {
        cache = cache.lease(Duration::from_millis(millis));
    }
    if let Some(millis) = whole(options, "leaseWaitMs") {
        cache = cache.lease_wait(Duration::from_millis(millis));
    }
    let parts = texts(options, "keyspace");
    if !parts.is_empty() {
        cache = cache.keyspace(Keyspace::new(parts)?);
    }
    if is_off("compress") {
        cache = cache.compression(None);
    }
    if let Some(threshold) = whole(options, "compressionThreshold") {
        let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
        cache = cache.compression(Compression::gzip().threshold(threshold));
    }
    if let Some(edge) = option(options, "edge") {
        let seconds = whole(&edge, "ttlSeconds").unwrap_or(5);
        cache = cache.edge(WorkerCache::open()?, Duration::from_secs(seconds));
    }
    if let Some(l1) = option(options, "l1") {
        let mut own = L1Options::new();
        if let Some(millis) = whole(&l1, "ttlMs") {
            own = own.ttl(Duration::from_millis(millis));
        }
        if let Some(bytes) = whole(&l1, "bytes") {
            own = own.bytes(bytes);
        }
        cache = cache.l1(own);
    }
    Ok(cache)
}

/// The list of keys: the first one encrypts, and all of them decrypt.
fn sealing_keys(options: &JsValue) -> Result<Option<SealingKeys>> {
    let list = option(options, "sealingKeys").and_then(|list| list.dyn_into::<Array>().ok());
    let invalid = || convert::invalid("sealingKeys is a list of { id, key }, each key 32 bytes");
    let mut keys = None::<SealingKeys>;
    for given in list.unwrap_or_default().iter() {
        let id = text(&given, "id").ok_or_else(invalid)?;
        let key = option(&given, "key").and_then(|key| key.dyn_into::<Uint8Array>().ok());
        let key: [u8; 32] = key.unwrap_or_default().to_vec().try_into().map_err(|_| invalid())?;
        keys = Some(match keys {
            None => SealingKeys::new(id, key),
            Some(keys) => keys.also_opens(id, key),
        });
    }
    Ok(keys)
}

/// A property that is a number.
pub(super) fn number(options: &JsValue, name: &str) -> Option<f64> {
    option(options, name)?.as_f64()
}

/// A number of seconds, or "forever".
fn ttl(value: &JsValue) -> Ttl {
    value.as_f64().map_or(Ttl::FOREVER, |seconds| Ttl::seconds(seconds as u64))
}

pub(super) fn entry_options(options: &JsValue) -> EntryOptions {
    let seconds = |name| whole(options, name).map(Duration::from_secs);
    let mut entry = EntryOptions::new(ttl(&option(options, "ttlSeconds").unwrap_or_default()));
    if let Some(part) = number(options, "jitter") {
        entry = entry.jitter(part);
    }
    entry = entry.tags(texts(options, "tags"));
    if let Some(limit) = seconds("staleWhileRevalidateSeconds") {
        entry = entry.stale_while_revalidate(limit);
    }
    if let Some(limit) = seconds("staleIfErrorSeconds") {
        entry = entry.stale_if_error(limit);
    }
    entry
}

pub(super) fn load_options(options: &JsValue) -> LoadOptions {
    let millis = |name| whole(options, name).map(Duration::from_millis);
    let mut load = LoadOptions::new(entry_options(options));
    if let Some(negative) = option(options, "negativeTtlSeconds") {
        load = load.negative_ttl((negative.as_f64() != Some(0.0)).then(|| ttl(&negative)));
    }
    if let Some(limit) = millis("softTimeoutMs") {
        load = load.soft_timeout(limit);
    }
    if let Some(limit) = millis("hardTimeoutMs") {
        load = load.hard_timeout(limit);
    }
    if let Some(beta) = number(options, "earlyRefresh") {
        load = load.early_refresh(beta);
    }
    match text(options, "mode").as_deref() {
        Some("refresh") => load.refresh(),
        Some("bypass") => load.bypass(),
        _ => load,
    }
}
