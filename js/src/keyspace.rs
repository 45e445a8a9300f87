use wasm_bindgen::prelude::*;

use super::convert;
use edgecask::Keyspace;

/// A prefix of keys.
#[wasm_bindgen(js_name = Keyspace)]
#[derive(Debug)]
pub struct JsKeyspace(pub(super) Keyspace);

#[wasm_bindgen(js_class = Keyspace)]
impl JsKeyspace {
    /// A keyspace of these parts.
    #[wasm_bindgen(constructor)]
    pub fn new(parts: Vec<String>) -> Result<JsKeyspace, JsValue> {
        Keyspace::new(parts).map(Self).map_err(convert::error)
    }

    /// A keyspace inside of this one.
    pub fn join(&self, parts: Vec<String>) -> Result<JsKeyspace, JsValue> {
        self.0.join(parts).map(Self).map_err(convert::error)
    }

    /// The key of an identifier, of one or more parts.
    pub fn key(&self, parts: Vec<String>) -> Result<String, JsValue> {
        self.0.key(parts).map(|key| key.as_str().to_owned()).map_err(convert::error)
    }

    /// The glob that matches every key of this keyspace and no other key.
    pub fn pattern(&self) -> String {
        self.0.pattern().as_str().to_owned()
    }
}
