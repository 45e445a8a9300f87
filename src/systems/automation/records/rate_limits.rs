use serde::{Deserialize, Serialize};

/// A user's rate limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateLimits {
    /// Requests in a minute.
    pub per_minute: u64,
    /// Requests in an hour.
    pub per_hour: u64,
    /// Requests in a day.
    pub per_day: u64,
    /// Requests in a burst.
    pub burst_limit: u64,
}
