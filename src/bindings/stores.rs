use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::cache::tier;
use super::client::JsClient;
use super::{convert, json};
use crate::cache::Ttl;
use crate::store::{LlmPolicy, LlmPolicyStore, Store, StoreConfig, create_llm_policy_store};
use crate::{BoxError, Result};

/// The store of LLM policies: read through the cache, written to the backing store first.
#[wasm_bindgen(js_name = LlmPolicyStore)]
#[derive(Debug)]
pub struct JsLlmPolicyStore(LlmPolicyStore);

#[wasm_bindgen(js_class = LlmPolicyStore)]
impl JsLlmPolicyStore {
    /// A store cached by this client.
    #[wasm_bindgen(constructor)]
    pub fn new(
        client: &JsClient,
        #[wasm_bindgen(unchecked_optional_param_type = "StoreOptions<string, LlmPolicy>")]
        options: &JsValue,
    ) -> Result<JsLlmPolicyStore, JsValue> {
        let store = config(client, options).and_then(create_llm_policy_store);
        store.map(Self).map_err(convert::error)
    }

    /// The policy of a tenant, or `null` if there is none.
    #[wasm_bindgen(unchecked_return_type = "LlmPolicy | null")]
    pub async fn get(&self, tenant_id: String) -> Result<JsValue, JsValue> {
        let policy = async {
            match self.0.get(&tenant_id).await? {
                Some(policy) => json::to_js(&policy),
                None => Ok(JsValue::NULL),
            }
        };
        policy.await.map_err(convert::error)
    }

    /// Writes a policy to the backing store, then deletes the cached one.
    pub async fn set(
        &self,
        #[wasm_bindgen(unchecked_param_type = "LlmPolicy")] policy: JsValue,
    ) -> Result<(), JsValue> {
        let set = async { self.0.set(&policy_from(policy)?).await };
        set.await.map_err(convert::error)
    }

    /// Deletes a tenant's policy; tells whether there was one.
    pub async fn delete(&self, tenant_id: String) -> Result<bool, JsValue> {
        self.0.delete(&tenant_id).await.map_err(convert::error)
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
}

fn policy_from(policy: JsValue) -> Result<LlmPolicy> {
    json::from_js(
        policy,
        "a policy is an object with a tenantId; see the type LlmPolicy for its other fields",
    )
}

fn config(client: &JsClient, options: &JsValue) -> Result<StoreConfig<LlmPolicy>> {
    let mut config = StoreConfig::new().client(client.0.clone());
    if let Some(backing) = convert::option(options, "backing") {
        config = config.backing(JsStore::new(backing)?);
    }
    let message = "ttlSeconds is a whole number above 0";
    if let Some(seconds) = convert::positive(options, "ttlSeconds", message)? {
        config = config.ttl(Ttl::seconds(seconds));
    }
    if let Some(tier) = tier(options)? {
        config = config.tier(tier);
    }
    Ok(config)
}

/// A JavaScript object with `get`, `set` and `delete`, as a store.
struct JsStore {
    object: JsValue,
}

impl JsStore {
    fn new(object: JsValue) -> Result<Self> {
        let store = Self { object };
        let complete = ["get", "set", "delete"].iter().all(|name| store.method(name).is_some());
        if complete {
            Ok(store)
        } else {
            Err(convert::invalid("backing has the methods get, set and delete"))
        }
    }

    fn method(&self, name: &str) -> Option<Function> {
        Reflect::get(&self.object, &name.into()).ok()?.dyn_into().ok()
    }

    /// Calls a method, and waits if it gives a promise.
    async fn call(&self, name: &str, argument: &JsValue) -> Result<JsValue, BoxError> {
        let method = self.method(name).ok_or("the backing store lost a method")?;
        let returned = method.call1(&self.object, argument).map_err(|e| json::exception(&e))?;
        JsFuture::from(Promise::resolve(&returned)).await.map_err(|e| json::exception(&e))
    }
}

impl Store<LlmPolicy> for JsStore {
    async fn get(&self, tenant_id: &String) -> Result<Option<LlmPolicy>, BoxError> {
        let found = self.call("get", &tenant_id.into()).await?;
        if found.is_null() || found.is_undefined() {
            return Ok(None);
        }
        Ok(Some(policy_from(found)?))
    }

    async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
        self.call("set", &json::to_js(policy)?).await?;
        Ok(())
    }

    async fn delete(&self, tenant_id: &String) -> Result<bool, BoxError> {
        Ok(self.call("delete", &tenant_id.into()).await?.is_truthy())
    }
}
