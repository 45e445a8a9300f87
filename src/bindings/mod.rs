//! The JavaScript face: the npm package that wasm-pack builds from this crate. Of its two modules, the small one is the
//! client of the REST API alone.

#[cfg(feature = "js-cache")]
mod cache;
mod call;
mod client;
mod convert;
#[cfg(feature = "js-cache")]
mod json;
#[cfg(feature = "js-cache")]
mod keyspace;
#[cfg(feature = "js-cache")]
mod stores;
mod subscriber;

use wasm_bindgen::prelude::*;

/// The types that wasm-bindgen cannot derive.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.ts");
