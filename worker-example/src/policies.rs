//! The policy store of this isolate.

use std::sync::OnceLock;

use edgecask::cache::Ttl;
use edgecask::config::Config;
use edgecask::store::{
    LlmPolicy, LlmPolicyStore, MemoryStore, StoreConfig, create_llm_policy_store,
};
use edgecask::{Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;
use worker::Env;

/// What stands for the database here, so that the example runs by itself: the memory of one isolate, which Cloudflare
/// may drop at any time. A real Worker implements `Store` over D1, Hyperdrive or a service of its own.
const POLICIES: &str = include_str!("../../examples/policies.json");

/// The store, made by the first request. Requests share it: it holds settings, counters and records, and no I/O object.
pub(crate) fn store(env: &Env) -> Result<&'static LlmPolicyStore> {
    static STORE: OnceLock<LlmPolicyStore> = OnceLock::new();
    if let Some(store) = STORE.get() {
        return Ok(store);
    }
    let config = Config::from_worker(env)?;
    let variable = |name: &str| Some(env.var(name).ok()?.to_string());
    let ttl = Ttl::from_variables("POLICY", Ttl::seconds(300), variable)?;
    let records: Vec<LlmPolicy> = serde_json::from_str(POLICIES).map_err(|_| {
        Error::new(ErrorKind::Codec, "examples/policies.json is not a list of policies")
    })?;
    let store = create_llm_policy_store(
        StoreConfig::new()
            .backing(MemoryStore::from_records(records))
            .client(config.client()?)
            .ttl(ttl),
    )?;
    Ok(STORE.get_or_init(|| store))
}

/// The tenant of a path segment.
pub(crate) fn tenant_id(segment: &str) -> Result<String> {
    let decoded = percent_decode_str(segment).decode_utf8();
    let tenant =
        decoded.map_err(|_| Error::new(ErrorKind::InvalidInput, "the tenant is not UTF-8"))?;
    Ok(tenant.into_owned())
}

/// The policy in a request's body, whose tenant is that of the path.
pub(crate) fn parse(body: &[u8], tenant: String) -> Result<LlmPolicy> {
    let not_a_policy =
        |_| Error::new(ErrorKind::InvalidInput, "the body is not the JSON of a policy");
    let mut json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(not_a_policy)?;
    json.insert("tenantId".to_owned(), tenant.into());
    serde_json::from_value(json.into()).map_err(not_a_policy)
}
