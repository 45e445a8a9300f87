//! Counters, latencies, health, the server's statistics, and the distribution of keys.

mod health;
mod histogram;
mod key_distribution;
mod prometheus;
mod server_stats;
mod stats;

pub use health::{Health, HealthBackend};
pub use histogram::Histogram;
pub use key_distribution::KeyDistribution;
pub use server_stats::ServerStats;
pub use stats::CacheStats;
pub(super) use stats::Counters;
