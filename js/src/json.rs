//! Values as JSON text, which the face makes and reads; and exceptions of the user's JavaScript code.

use std::fmt;

use js_sys::{Function, Promise, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::convert;
use edgecask::platform::Local;
use edgecask::{BoxError, Error, ErrorKind, Result};

/// A value as JSON text.
pub(super) fn text(value: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value)
        .map_err(|_| convert::error(Error::new(ErrorKind::Codec, "the value has no form in JSON")))
}

/// Calls a JavaScript function, and awaits its result if that is a promise.
pub(super) async fn call(
    function: &Function,
    this: &JsValue,
    argument: &JsValue,
) -> Result<JsValue, BoxError> {
    let thrown = |value: JsValue| {
        let thrown = Thrown(Local::new(value));
        // The text of `Thrown` may be shown, unlike that of other errors.
        BoxError::from(Error::new(ErrorKind::Store, thrown.to_string()).with_source(thrown))
    };
    let given = function.call1(this, argument).map_err(thrown)?;
    JsFuture::from(Promise::resolve(&given)).await.map_err(thrown)
}

/// An exception of a loader or a backing store.
struct Thrown(Local<JsValue>);

/// The exception of the user's JavaScript code, if it is the source of this error.
pub(super) fn thrown(error: &Error) -> Option<JsValue> {
    as_thrown(std::error::Error::source(error)?)
}

/// The exception of the user's JavaScript code, if this source of an error is one.
pub(super) fn as_thrown(source: &(dyn std::error::Error + 'static)) -> Option<JsValue> {
    Some((*source.downcast_ref::<Thrown>()?.0).clone())
}

/// Only the name and the code: this text reaches the log, and the message may contain a secret, such as the address of a database with
/// its password.
impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = self.word("name") else {
            return f.write_str("something was thrown that is not an Error");
        };
        match self.word("code") {
            Some(code) => write!(f, "{name} was thrown, with the code {code}"),
            None => write!(f, "{name} was thrown"),
        }
    }
}

impl Thrown {
    /// A property that is one word, such as a name or a code.
    fn word(&self, property: &str) -> Option<String> {
        const LONGEST: usize = 60;
        let word = Reflect::get(&self.0, &property.into()).ok()?.as_string()?;
        let is_word = (1..=LONGEST).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        is_word.then_some(word)
    }
}

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thrown({self})")
    }
}

impl std::error::Error for Thrown {}
