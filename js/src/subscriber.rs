use std::sync::Arc;

use async_lock::Mutex;
use futures_util::StreamExt;
use futures_util::stream::{AbortHandle, Abortable};
use js_sys::{Object, Promise, Reflect};
use tracing::Dispatch;
use wasm_bindgen::prelude::*;

use super::call::promise;
use super::convert;
use edgecask::Value;
use edgecask::client::{Event, Subscriber};

/// The messages of a subscription.
#[wasm_bindgen(js_name = Subscriber)]
#[derive(Debug)]
pub struct JsSubscriber {
    /// `None` after the end of the subscription.
    events: Arc<Mutex<Option<Abortable<Subscriber>>>>,
    abort: AbortHandle,
    log: Dispatch,
}

impl JsSubscriber {
    pub(super) fn new(subscriber: Subscriber, log: Dispatch) -> Self {
        let (abort, registration) = AbortHandle::new_pair();
        let events = Arc::new(Mutex::new(Some(Abortable::new(subscriber, registration))));
        Self { events, abort, log }
    }
}

#[wasm_bindgen(js_class = Subscriber)]
impl JsSubscriber {
    /// The next event; `null` after the subscription was closed.
    pub fn next(&self) -> Promise {
        let events = Arc::clone(&self.events);
        promise(self.log.clone(), async move {
            let mut events = events.lock().await;
            loop {
                let Some(open) = &mut *events else { return Ok(JsValue::NULL) };
                match open.next().await {
                    Some(Ok(event)) => {
                        if let Some(event) = describe(event) {
                            return Ok(event);
                        }
                    }
                    Some(Err(error)) => return Err(convert::error(error)),
                    None => *events = None,
                }
            }
        })
    }

    /// Unsubscribes. A call of `next` that waits gets `null`.
    pub fn close(&self) {
        self.abort.abort();
        // If it is locked, the call of `next` that holds the lock drops it.
        if let Some(mut events) = self.events.try_lock() {
            *events = None;
        }
    }
}

/// An event as an object; `None` for one that the face does not know.
fn describe(event: Event) -> Option<JsValue> {
    let object = Object::new();
    let set = |name: &str, value: JsValue| {
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&object, &name.into(), &value);
    };
    match event {
        Event::Message(message) => {
            set("type", "message".into());
            set("channel", convert::reply(Value::Bulk(message.channel)));
            if let Some(pattern) = message.pattern {
                set("pattern", convert::reply(Value::Bulk(pattern)));
            }
            set("payload", convert::reply(Value::Bulk(message.payload)));
        }
        Event::Lost(error) => {
            set("type", "lost".into());
            set("error", convert::error(error));
        }
        Event::Resumed => set("type", "resumed".into()),
        _ => return None,
    }
    Some(object.into())
}
