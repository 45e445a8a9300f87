//! The types that a keyspace may have: what its functions give.

mod hash;
mod json;

pub use hash::Hash;
pub use json::Json;
