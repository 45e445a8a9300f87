//! Loggers: the function of a client or a cache, or otherwise the function of the module.

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

/// Sets the logger of clients and caches without their own; `undefined`: no log.
#[wasm_bindgen(js_name = setLogger)]
pub fn set_logger(logger: Option<Function>, level: &str) {
    let dispatch = logger.map_or_else(Dispatch::none, |logger| dispatch(logger, level));
    OF_THE_MODULE.set(dispatch);
}

/// Sets whether this is a Cloudflare Worker.
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

/// The subscriber for the log lines of a call.
pub(super) fn or_module(log: Option<&Dispatch>) -> Dispatch {
    log.cloned().unwrap_or_else(|| OF_THE_MODULE.with_borrow(Clone::clone))
}

fn dispatch(logger: Function, level: &str) -> Dispatch {
    log::to_function(level.parse().unwrap_or(Level::WARN), move |line| {
        // The face catches its exceptions.
        let _ = logger.call1(&JsValue::UNDEFINED, line);
    })
}
