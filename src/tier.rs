use serde::{Deserialize, Serialize};

/// How a component behaves when its Redis is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Tier {
    /// Fails closed: the caller gets the error. For data that must not be wrong.
    Critical,
    /// Degrades: reads go to the backing store, which is logged and counted. For caches.
    #[default]
    Important,
    /// Lets the caller through, and logs at a lower level. For limits and telemetry.
    BestEffort,
}
