//! What the npm package is made of in Rust: wasm-bindgen's classes, of which the smaller of its two modules has the client
//! alone. Users see the face in `face/`, which checks every argument before it comes here.

#[cfg(feature = "js-cache")]
mod cache;
mod call;
mod client;
mod convert;
pub mod errors;
#[cfg(feature = "js-cache")]
mod json;
#[cfg(feature = "js-cache")]
mod keyspace;
pub mod log;
#[cfg(feature = "js-cache")]
mod stores;
mod subscriber;
