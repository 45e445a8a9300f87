//! Values as JSON text, which the face makes and reads; and what JavaScript's own code throws.

use std::fmt;

use js_sys::{Function, Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::convert;
use crate::platform::Local;
use crate::{BoxError, Error, ErrorKind, Result};

/// Something that says of itself what it is, as JSON text.
pub(super) fn text(value: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value)
        .map_err(|_| convert::error(Error::new(ErrorKind::Codec, "the value has no form in JSON")))
}

/// Calls a function of JavaScript's, and waits if it gives a promise.
pub(super) async fn call(
    function: &Function,
    this: &JsValue,
    argument: &JsValue,
) -> Result<JsValue, BoxError> {
    let thrown = |value: JsValue| BoxError::from(Thrown(Local::new(value)));
    let given = function.call1(this, argument).map_err(thrown)?;
    JsFuture::from(Promise::resolve(&given)).await.map_err(thrown)
}

/// What a loader or a backing store threw.
struct Thrown(Local<JsValue>);

/// What JavaScript's own code threw, if that is this error.
pub(super) fn thrown(error: &Error) -> Option<JsValue> {
    let source = std::error::Error::source(error)?;
    Some((*source.downcast_ref::<Thrown>()?.0).clone())
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = Reflect::get(&self.0, &"message".into()).ok();
        match message.and_then(|message| message.as_string()) {
            Some(message) => f.write_str(&message),
            None => f.write_str("something was thrown that is not an Error"),
        }
    }
}

/// As text: the object may hold what is to stay in it.
impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thrown({self})")
    }
}

impl std::error::Error for Thrown {}
