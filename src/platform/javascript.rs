//! JavaScript hosts: Node, browsers, Workers.

use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::send::{BoxFuture, send};
use super::worker;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = setTimeout)]
    fn set_timeout(then: &Function, millis: f64) -> Result<JsValue, JsValue>;
}

pub(super) fn shares_futures() -> bool {
    !worker::is_here()
}

pub(super) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    send(|| async move {
        // A JavaScript timer holds its milliseconds in an i32.
        const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);
        let mut left = duration;
        while left > LONGEST {
            gloo_timers::future::sleep(LONGEST).await;
            left -= LONGEST;
        }
        gloo_timers::future::sleep(left).await;
    })
}

pub(super) fn sleep_idly(duration: Duration) -> BoxFuture<'static, ()> {
    send(|| idle(duration))
}

pub(super) fn spawn(future: BoxFuture<'static, ()>) {
    // Its log lines go to the subscriber of the call that started it.
    wasm_bindgen_futures::spawn_local(
        tracing::instrument::WithSubscriber::with_current_subscriber(future),
    );
}

/// Waits by a timer that does not keep a Node process alive.
async fn idle(duration: Duration) {
    let elapsed = Promise::new(&mut |then, _| {
        let Ok(timer) = set_timeout(&then, duration.as_millis() as f64) else { return };
        // In browsers a timer is a number, without this method.
        let unref = Reflect::get(&timer, &"unref".into());
        if let Some(unref) = unref.ok().and_then(|unref| unref.dyn_into::<Function>().ok()) {
            // If this fails, the timer keeps the process alive.
            let _ = unref.call0(&timer);
        }
    });
    // The promise is never rejected.
    let _ = JsFuture::from(elapsed).await;
}
