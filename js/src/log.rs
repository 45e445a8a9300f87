//! Where log lines go: to the function of a client or a cache, or else to that of the module.

use std::cell::RefCell;

use js_sys::Function;
use tracing::Dispatch;
use wasm_bindgen::prelude::*;

use super::convert;
use edgecask::platform;
use edgecask::platform::log::{self, Level};

thread_local! {
    static OF_THE_MODULE: RefCell<Dispatch> = RefCell::new(Dispatch::none());
}

/// Sets where lines go that no client or cache has a function for; `undefined`: nowhere.
#[wasm_bindgen(js_name = setLogger)]
pub fn set_logger(logger: Option<Function>, level: &str) {
    let dispatch = logger.map_or_else(Dispatch::none, |logger| dispatch(logger, level));
    OF_THE_MODULE.set(dispatch);
}

/// Says whether this is a Cloudflare Worker.
#[wasm_bindgen(js_name = setWorker)]
pub fn set_worker(is_worker: bool) {
    platform::set_worker(is_worker);
}

/// The options `logger` and `logLevel` of a client, a cache or a store.
pub(super) fn of_options(options: &JsValue) -> Option<Dispatch> {
    let logger = convert::option(options, "logger")?.dyn_into().ok()?;
    let level = convert::text(options, "logLevel");
    Some(dispatch(logger, level.as_deref().unwrap_or_default()))
}

/// Where the lines of a call go.
pub(super) fn or_module(log: Option<&Dispatch>) -> Dispatch {
    log.cloned().unwrap_or_else(|| OF_THE_MODULE.with_borrow(Clone::clone))
}

fn dispatch(logger: Function, level: &str) -> Dispatch {
    log::to_function(level.parse().unwrap_or(Level::WARN), move |line| {
        // The face sees to what it throws.
        let _ = logger.call1(&JsValue::UNDEFINED, line);
    })
}
