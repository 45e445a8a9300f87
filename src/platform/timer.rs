use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = setTimeout)]
    fn set_timeout(then: &Function, millis: f64) -> Result<JsValue, JsValue>;
}

/// Waits, by a timer that does not keep a process of Node's alive.
pub(super) async fn idle(duration: Duration) {
    let elapsed = Promise::new(&mut |then, _| {
        let Ok(timer) = set_timeout(&then, duration.as_millis() as f64) else { return };
        // In browsers a timer is a number, which has no such method.
        let unref = Reflect::get(&timer, &"unref".into());
        if let Some(unref) = unref.ok().and_then(|unref| unref.dyn_into::<Function>().ok()) {
            // What goes wrong here leaves a timer that keeps the process alive.
            let _ = unref.call0(&timer);
        }
    });
    // It is never rejected.
    let _ = JsFuture::from(elapsed).await;
}
