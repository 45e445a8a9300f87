use serde::{Deserialize, Serialize};

/// How a component fails when its Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Tier {
    /// Fails closed: the caller gets the error. For what is worse wrong than missing.
    Critical,
    /// Degrades: reads go to the backing store, a log line and a counter say so. For caches.
    #[default]
    Important,
    /// Lets the caller through, and logs at a lower level. For limits and telemetry.
    BestEffort,
}
