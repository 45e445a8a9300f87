//! The JavaScript face: the npm package that wasm-pack builds from this crate.

mod cache;
mod call;
mod client;
mod convert;
mod keyspace;
mod stores;
mod subscriber;

use wasm_bindgen::prelude::*;

/// The types that wasm-bindgen cannot derive.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("types.ts");
