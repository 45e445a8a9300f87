//! Between JavaScript's values and those of serde.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

use super::convert::invalid;
use crate::{BoxError, Error, ErrorKind, Result};

/// A JavaScript exception as an error of a backing store.
pub(super) fn exception(thrown: &JsValue) -> BoxError {
    match thrown.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()).into(),
        None => "the backing store threw something that is not an Error".into(),
    }
}

pub(super) fn to_js<T: Serialize>(value: &T) -> Result<JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value
        .serialize(&serializer)
        .map_err(|_| Error::new(ErrorKind::Codec, "the value has no JavaScript form"))
}

pub(super) fn from_js<T: DeserializeOwned>(value: JsValue, what: &'static str) -> Result<T> {
    // The message of serde names fields and may quote values.
    serde_wasm_bindgen::from_value(value).map_err(|_| invalid(what))
}
