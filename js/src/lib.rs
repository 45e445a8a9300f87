//! What the npm package is made of in Rust: wasm-bindgen's classes, of which the smaller of its two modules has the client
//! alone. Users see the TypeScript in `face/`, which checks every argument before it comes here.

#![cfg(target_arch = "wasm32")]

#[cfg(feature = "cache")]
mod cache;
mod call;
mod client;
mod convert;
pub mod errors;
#[cfg(feature = "cache")]
mod function;
#[cfg(feature = "cache")]
mod json;
#[cfg(feature = "cache")]
mod keyspace;
pub mod log;
#[cfg(feature = "cache")]
mod stores;
mod subscriber;
