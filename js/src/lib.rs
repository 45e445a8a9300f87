//! The Rust part of the npm package: classes of wasm-bindgen. The smaller of its two modules has only the client. Users call the
//! TypeScript in `face/`, which checks every argument before it passes it on.

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
