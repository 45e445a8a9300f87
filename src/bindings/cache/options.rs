use std::time::Duration;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::super::convert;
use crate::cache::{
    CacheOptions, Compression, EntryOptions, Form, L1Options, LoadOptions, SealingKeys, Tier, Ttl,
    WorkerCache,
};
use crate::{Keyspace, Result};

fn texts(options: &JsValue, name: &str, message: &'static str) -> Result<Vec<String>> {
    let Some(list) = convert::option(options, name) else {
        return Ok(Vec::new());
    };
    let invalid = || convert::invalid(message);
    let list = list.dyn_into::<Array>().map_err(|_| invalid())?;
    list.iter().map(|text| text.as_string().ok_or_else(invalid)).collect()
}

/// The property `tier`.
pub(in super::super) fn tier(options: &JsValue) -> Result<Option<Tier>> {
    let Some(tier) = convert::option(options, "tier") else {
        return Ok(None);
    };
    Ok(Some(match tier.as_string().as_deref() {
        Some("critical") => Tier::Critical,
        Some("important") => Tier::Important,
        Some("best-effort") => Tier::BestEffort,
        _ => {
            return Err(convert::invalid("tier is \"critical\", \"important\" or \"best-effort\""));
        }
    }))
}

pub(super) fn cache_options(options: &JsValue) -> Result<CacheOptions> {
    let mut cache = CacheOptions::new();
    if let Some(tier) = tier(options)? {
        cache = cache.tier(tier);
    }
    if convert::option(options, "plain").is_some_and(|yes| yes.is_truthy()) {
        cache = cache.form(Form::Plain);
    }
    if convert::option(options, "coalesce").is_some_and(|yes| yes.is_truthy()) {
        cache = cache.coalesce(true);
    }
    let text = |name| convert::option(options, name).and_then(|text| text.as_string());
    if let Some(tag) = text("generation") {
        cache = cache.generation(tag);
    }
    if let Some(channel) = text("bus") {
        cache = cache.bus(channel);
    }
    if let Some(keys) = sealing_keys(options)? {
        cache = cache.seal(keys);
    }
    let message = "leaseMs is a whole number above 0";
    if let Some(millis) = convert::positive(options, "leaseMs", message)? {
        cache = cache.lease(Duration::from_millis(millis));
    }
    let message = "leaseWaitMs is a whole number, 0 or above";
    match convert::option(options, "leaseWaitMs").map(|wait| wait.as_f64()) {
        None => {}
        Some(Some(0.0)) => cache = cache.lease_wait(Duration::ZERO),
        Some(_) => {
            let millis = convert::positive(options, "leaseWaitMs", message)?;
            cache = cache.lease_wait(Duration::from_millis(millis.unwrap_or_default()));
        }
    }
    let parts = texts(options, "keyspace", "keyspace is a list of strings, its parts")?;
    if !parts.is_empty() {
        cache = cache.keyspace(Keyspace::new(parts)?);
    }
    if convert::option(options, "compress").is_some_and(|yes| yes.is_falsy()) {
        cache = cache.compression(None);
    }
    let message = "compressionThreshold is a whole number above 0: bytes";
    if let Some(threshold) = convert::positive(options, "compressionThreshold", message)? {
        let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
        cache = cache.compression(Compression::gzip().threshold(threshold));
    }
    if let Some(edge) = convert::option(options, "edge") {
        let message = "edge.ttlSeconds is a whole number above 0";
        let seconds = convert::positive(&edge, "ttlSeconds", message)?.unwrap_or(5);
        cache = cache.edge(WorkerCache::open()?, Duration::from_secs(seconds));
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

/// The list of keys of which the first one seals, and the others open what was sealed with them.
fn sealing_keys(options: &JsValue) -> Result<Option<SealingKeys>> {
    let Some(list) = convert::option(options, "sealingKeys") else {
        return Ok(None);
    };
    let invalid = || convert::invalid("sealingKeys is a list of { id, key }, each key 32 bytes");
    let mut keys = None::<SealingKeys>;
    for given in list.dyn_into::<Array>().map_err(|_| invalid())?.iter() {
        let id = convert::option(&given, "id").and_then(|id| id.as_string()).ok_or_else(invalid)?;
        let key = convert::option(&given, "key").ok_or_else(invalid)?;
        let key = key.dyn_into::<Uint8Array>().map_err(|_| invalid())?;
        let key: [u8; 32] = key.to_vec().try_into().map_err(|_| invalid())?;
        keys = Some(match keys {
            None => SealingKeys::new(id, key),
            Some(keys) => keys.also_opens(id, key),
        });
    }
    keys.map(Some).ok_or_else(invalid)
}

/// A property that is a number.
pub(super) fn number(options: &JsValue, name: &str, message: &'static str) -> Result<Option<f64>> {
    let number = convert::option(options, name).map(|value| value.as_f64());
    match number {
        Some(None) => Err(convert::invalid(message)),
        number => Ok(number.flatten()),
    }
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

pub(super) fn entry_options(options: &JsValue) -> Result<EntryOptions> {
    if !options.is_object() {
        return ttl(options).map(EntryOptions::new);
    }
    let seconds = convert::option(options, "ttlSeconds").ok_or_else(|| convert::invalid(TTL))?;
    let mut entry = EntryOptions::new(ttl(&seconds)?);
    if let Some(part) = number(options, "jitter", "jitter is a number from 0 to 1")? {
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

pub(super) fn load_options(options: &JsValue) -> Result<LoadOptions> {
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
    if let Some(beta) = number(options, "earlyRefresh", "earlyRefresh is a number")? {
        load = load.early_refresh(beta);
    }
    match convert::option(options, "mode").and_then(|mode| mode.as_string()).as_deref() {
        None => Ok(load),
        Some("refresh") => Ok(load.refresh()),
        Some("bypass") => Ok(load.bypass()),
        Some(_) => Err(convert::invalid("mode is \"refresh\" or \"bypass\"")),
    }
}
