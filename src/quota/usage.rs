//! The state of a quota.

use std::time::Duration;

/// The used and the reserved amount of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The amount that was counted.
    pub used: u64,
    /// The amount that reservations hold.
    pub reserved: u64,
    /// The limit.
    pub limit: u64,
    /// How long until the counter is reset; `None` if it is not.
    pub resets_in: Option<Duration>,
}

impl Usage {
    /// The amount that can be taken or reserved now.
    pub fn available(&self) -> u64 {
        self.limit.saturating_sub(self.used).saturating_sub(self.reserved)
    }
}
