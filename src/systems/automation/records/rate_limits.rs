use serde::{Deserialize, Serialize};

/// How many requests a user may make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateLimits {
    /// In a minute.
    pub per_minute: u64,
    /// In an hour.
    pub per_hour: u64,
    /// On a day.
    pub per_day: u64,
    /// At once.
    pub burst_limit: u64,
}
