use js_sys::{Function, Promise, Reflect};
use tracing::Dispatch;
use wasm_bindgen::prelude::*;

use super::cache::tier;
use super::call::promise;
use super::client::JsClient;
use super::{convert, json, log};
use edgecask::cache::Ttl;
use edgecask::store::{LlmPolicy, LlmPolicyStore, Store, StoreConfig, create_llm_policy_store};
use edgecask::{BoxError, Result};

/// The store of LLM policies: read through the cache, written to the backing store first. Policies are JSON text.
#[wasm_bindgen(js_name = LlmPolicyStore)]
#[derive(Debug)]
pub struct JsLlmPolicyStore {
    store: LlmPolicyStore,
    log: Option<Dispatch>,
}

#[wasm_bindgen(js_class = LlmPolicyStore)]
impl JsLlmPolicyStore {
    /// A store cached by this client, with `StoreOptions`.
    #[wasm_bindgen(constructor)]
    pub fn new(client: &JsClient, options: &JsValue) -> Result<JsLlmPolicyStore, JsValue> {
        let store = create_llm_policy_store(config(client, options)).map_err(convert::error)?;
        Ok(Self { store, log: client.log_of(options) })
    }

    /// The policy of a tenant; `null` if there is none.
    pub fn get(&self, tenant_id: String) -> Promise {
        let store = self.store.clone();
        promise(self.log(), async move {
            match store.get(&tenant_id).await.map_err(convert::error)? {
                Some(policy) => json::text(&policy).map(Into::into),
                None => Ok(JsValue::NULL),
            }
        })
    }

    /// Writes a policy to the backing store, then deletes the cached one.
    pub fn set(&self, policy: String) -> Promise {
        let store = self.store.clone();
        promise(self.log(), async move {
            let set = async { store.set(&policy_from(&policy)?).await };
            set.await.map(|()| JsValue::UNDEFINED).map_err(convert::error)
        })
    }

    /// Deletes a tenant's policy, and returns whether there was one.
    pub fn delete(&self, tenant_id: String) -> Promise {
        let store = self.store.clone();
        promise(self.log(), async move { store.delete(&tenant_id).await.map_err(convert::error) })
    }

    /// The number of invalidations that are still to be sent to Redis.
    pub fn owed(&self) -> f64 {
        self.store.owed() as f64
    }

    /// Sends the owed invalidations, and returns whether none is left.
    #[wasm_bindgen(js_name = catchUp)]
    pub fn catch_up(&self) -> Promise {
        let store = self.store.clone();
        promise(self.log(), async move { Ok(store.catch_up().await) })
    }

    /// Whether the cache answers.
    pub fn health(&self) -> Promise {
        let store = self.store.clone();
        promise(self.log(), async move { json::text(&store.health().await) })
    }

    /// The statistics of the cache.
    pub fn stats(&self) -> Result<String, JsValue> {
        json::text(&self.store.stats())
    }
}

impl JsLlmPolicyStore {
    fn log(&self) -> Dispatch {
        log::or_module(self.log.as_ref())
    }
}

fn policy_from(text: &str) -> Result<LlmPolicy> {
    // The message of serde may quote values.
    serde_json::from_str(text).map_err(|_| {
        convert::invalid(
            "a policy is an object with a tenantId; see the type LlmPolicy for its other fields",
        )
    })
}

fn config(client: &JsClient, options: &JsValue) -> StoreConfig<LlmPolicy> {
    let mut config = StoreConfig::new().client(client.client.clone());
    if let Some(backing) = convert::option(options, "backing") {
        config = config.backing(JsStore { object: backing });
    }
    if let Some(seconds) = convert::whole(options, "ttlSeconds") {
        config = config.ttl(Ttl::seconds(seconds));
    }
    if let Some(tier) = tier(options) {
        config = config.tier(tier);
    }
    config
}

/// A JavaScript object with `get`, `set` and `delete`, as a store. The face converts records to JSON text.
struct JsStore {
    object: JsValue,
}

impl JsStore {
    async fn call(&self, name: &str, argument: &str) -> Result<JsValue, BoxError> {
        let method = Reflect::get(&self.object, &name.into()).ok();
        let method = method.and_then(|method| method.dyn_into::<Function>().ok());
        let method = method.ok_or("the backing store lost a method")?;
        json::call(&method, &self.object, &argument.into()).await
    }
}

impl Store<LlmPolicy> for JsStore {
    async fn get(&self, tenant_id: &String) -> Result<Option<LlmPolicy>, BoxError> {
        let found = self.call("get", tenant_id).await?;
        Ok(found.as_string().map(|policy| policy_from(&policy)).transpose()?)
    }

    async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
        self.call("set", &serde_json::to_string(policy)?).await?;
        Ok(())
    }

    async fn delete(&self, tenant_id: &String) -> Result<bool, BoxError> {
        Ok(self.call("delete", tenant_id).await?.is_truthy())
    }
}
