//! The state of a quota.

use std::time::Duration;

/// What is used of a quota, and what is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// What was counted.
    pub used: u64,
    /// What reservations hold.
    pub reserved: u64,
    /// What fits in all.
    pub limit: u64,
    /// How long until the counter is reset; `None` if it is not.
    pub resets_in: Option<Duration>,
}

impl Usage {
    /// What can be taken or reserved now.
    pub fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used).saturating_sub(self.reserved)
    }
}
