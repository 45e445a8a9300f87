use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::options::{load_options, number};
use super::{JsCache, Json, loaded, verbatim};
use crate::Result;
use crate::bindings::client::JsClient;
use crate::bindings::keyspace::JsKeyspace;
use crate::bindings::{convert, json};
use crate::cache::{Usage, WarmOptions, Warmed};

#[wasm_bindgen(js_class = Cache)]
impl JsCache {
    /// Loads what is not cached of these keys, a few at a time. It never rejects because of a load: it reports, and gives
    /// up when too many fail in a row.
    #[wasm_bindgen(unchecked_return_type = "Warmed")]
    pub async fn warm(
        &self,
        keys: Vec<String>,
        #[wasm_bindgen(unchecked_param_type = "number | WarmOptions")] options: JsValue,
        #[wasm_bindgen(unchecked_param_type = "(key: string) => unknown")] load: Function,
    ) -> Result<JsValue, JsValue> {
        let warmed = async {
            let (keys, options) = (verbatim(keys)?, warm_options(&options)?);
            let load = |key: crate::Key| {
                let loading = load.call1(&JsValue::UNDEFINED, &key.as_str().into());
                loaded(loading)
            };
            json::to_js(&self.0.warm::<Json, _, _>(keys, options, load).await)
        };
        warmed.await.map_err(convert::error)
    }
}

fn warm_options(options: &JsValue) -> Result<WarmOptions> {
    let mut warm = WarmOptions::new(load_options(options)?);
    let message = "concurrency and giveUpAfter are whole numbers above 0";
    let count = |name| {
        let count = convert::positive(options, name, message)?;
        Ok(count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    };
    if let Some(loads) = count("concurrency")? {
        warm = warm.concurrency(loads);
    }
    if let Some(failures) = count("giveUpAfter")? {
        warm = warm.give_up_after(failures);
    }
    let message = "perSecond is a number above 0";
    match number(options, "perSecond", message)? {
        None => {}
        Some(loads) if loads > 0.0 => warm = warm.per_second(loads),
        Some(_) => return Err(convert::invalid(message)),
    }
    if let Some(tell) = convert::option(options, "onProgress") {
        let tell: Function =
            tell.dyn_into().map_err(|_| convert::invalid("onProgress is a function"))?;
        warm = warm.progress(move |warmed: Warmed| {
            let told = json::to_js(&warmed).map(|warmed| tell.call1(&JsValue::UNDEFINED, &warmed));
            if !matches!(told, Ok(Ok(_))) {
                tracing::warn!("onProgress threw an exception");
            }
        });
    }
    Ok(warm)
}

/// Which identifiers were used last, and most often: what warming starts with.
#[wasm_bindgen(js_name = Usage)]
#[derive(Debug)]
pub struct JsUsage(Usage);

#[wasm_bindgen(js_class = Usage)]
impl JsUsage {
    /// The usage of identifiers in this keyspace; no more than `most` are kept.
    #[wasm_bindgen(constructor)]
    pub fn new(client: &JsClient, keyspace: &JsKeyspace, most: u32) -> Result<JsUsage, JsValue> {
        let usage = Usage::new(client.0.clone(), &keyspace.0, u64::from(most));
        usage.map(Self).map_err(convert::error)
    }

    /// Notes that an identifier was used.
    pub async fn record(&self, id: String) -> Result<(), JsValue> {
        self.0.record(&id).await.map_err(convert::error)
    }

    /// The identifiers that were used last, the last one first.
    #[wasm_bindgen(js_name = mostRecent)]
    pub async fn most_recent(&self, count: u32) -> Result<Vec<String>, JsValue> {
        self.0.most_recent(u64::from(count)).await.map_err(convert::error)
    }

    /// The identifiers that were used most often, the most frequent one first.
    #[wasm_bindgen(js_name = mostUsed)]
    pub async fn most_used(&self, count: u32) -> Result<Vec<String>, JsValue> {
        self.0.most_used(u64::from(count)).await.map_err(convert::error)
    }

    /// Forgets everything.
    pub async fn clear(&self) -> Result<(), JsValue> {
        self.0.clear().await.map_err(convert::error)
    }
}
