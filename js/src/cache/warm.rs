use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use super::options::{load_options, number};
use super::{JsCache, Json, loaded, verbatim};
use crate::call::promise;
use crate::client::JsClient;
use crate::keyspace::JsKeyspace;
use crate::{convert, json, log};
use edgecask::cache::{Usage, WarmOptions, Warmed};

#[wasm_bindgen(js_class = Cache)]
impl JsCache {
    /// Loads those of these keys that are not cached, a few at a time.
    pub fn warm(&self, keys: Vec<String>, options: JsValue, load: Function) -> Promise {
        let cache = self.cache.clone();
        promise(self.log(), async move {
            let keys = verbatim(keys).map_err(convert::error)?;
            let load = async |key: edgecask::Key| loaded(&load, key.as_str().into()).await;
            json::text(&cache.warm::<Json, _, _>(keys, warm_options(&options), load).await)
        })
    }
}

fn warm_options(options: &JsValue) -> WarmOptions {
    let count = |name| {
        convert::whole(options, name).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    };
    let mut warm = WarmOptions::new(load_options(options));
    if let Some(loads) = count("concurrency") {
        warm = warm.concurrency(loads);
    }
    if let Some(failures) = count("giveUpAfter") {
        warm = warm.give_up_after(failures);
    }
    if let Some(loads) = number(options, "perSecond") {
        warm = warm.per_second(loads);
    }
    let tell = convert::option(options, "onProgress").and_then(|tell| tell.dyn_into().ok());
    if let Some(tell) = tell {
        let tell: Function = tell;
        warm = warm.progress(move |warmed: Warmed| {
            let told = json::text(&warmed)
                .and_then(|warmed| tell.call1(&JsValue::UNDEFINED, &warmed.into()));
            if told.is_err() {
                tracing::warn!("onProgress threw an exception");
            }
        });
    }
    warm
}

/// Records which identifiers were used last and most often.
#[wasm_bindgen(js_name = Usage)]
#[derive(Debug)]
pub struct JsUsage {
    usage: Usage,
    log: Option<tracing::Dispatch>,
}

#[wasm_bindgen(js_class = Usage)]
impl JsUsage {
    /// The usage of identifiers in this keyspace; at most `most` are kept.
    #[wasm_bindgen(constructor)]
    pub fn new(client: &JsClient, keyspace: &JsKeyspace, most: u32) -> Result<JsUsage, JsValue> {
        let usage = Usage::new(client.client.clone(), &keyspace.0, u64::from(most));
        let log = client.log_of(&JsValue::UNDEFINED);
        usage.map(|usage| Self { usage, log }).map_err(convert::error)
    }

    /// Records a use of an identifier.
    pub fn record(&self, id: String) -> Promise {
        self.call(async move |usage: Usage| usage.record(&id).await.map(|()| JsValue::UNDEFINED))
    }

    /// The identifiers that were used last, the last one first.
    #[wasm_bindgen(js_name = mostRecent)]
    pub fn most_recent(&self, count: u32) -> Promise {
        self.call(async move |usage: Usage| usage.most_recent(count.into()).await.map(texts))
    }

    /// The identifiers that were used most often, the most frequent one first.
    #[wasm_bindgen(js_name = mostUsed)]
    pub fn most_used(&self, count: u32) -> Promise {
        self.call(async move |usage: Usage| usage.most_used(count.into()).await.map(texts))
    }

    /// Forgets everything.
    pub fn clear(&self) -> Promise {
        self.call(async move |usage: Usage| usage.clear().await.map(|()| JsValue::UNDEFINED))
    }
}

impl JsUsage {
    fn call<F>(&self, work: impl FnOnce(Usage) -> F + 'static) -> Promise
    where
        F: Future<Output = edgecask::Result<JsValue>> + 'static,
    {
        let work = work(self.usage.clone());
        let log = log::or_module(self.log.as_ref());
        promise(log, async move { work.await.map_err(convert::error) })
    }
}

fn texts(list: Vec<String>) -> JsValue {
    list.into_iter().map(JsValue::from).collect::<js_sys::Array>().into()
}
