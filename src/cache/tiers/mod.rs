//! The tiers that are nearer than Redis: this process's memory, and a store at the edge.

mod edge;
mod epochs;
mod l1;
#[cfg(all(target_arch = "wasm32", target_os = "unknown", feature = "rest"))]
mod worker_cache;

pub use edge::EdgeStore;
pub(super) use edge::{Edge, Fetched};
pub(super) use epochs::Epoch;
pub(super) use l1::L1;
pub use l1::L1Options;
pub(super) use l1::ReadStart;
#[cfg(all(target_arch = "wasm32", target_os = "unknown", feature = "rest"))]
pub use worker_cache::WorkerCache;
