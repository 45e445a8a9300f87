use std::sync::atomic::{AtomicBool, Ordering};

use super::Tier;
use crate::Error;

/// Whether the cache is away; it turns many failures into one line in the log.
#[derive(Debug, Default)]
pub(super) struct Outage {
    down: AtomicBool,
}

impl Outage {
    /// The cache failed, and the caller went on without it.
    pub(super) fn degraded(&self, tier: Tier, error: &Error) {
        if self.down.swap(true, Ordering::Relaxed) {
            return;
        }
        if tier == Tier::BestEffort {
            tracing::info!(%error, "the cache is away: going on without it");
        } else {
            tracing::warn!(%error, "the cache is away: reading from the backing store");
        }
    }

    /// The cache answered.
    pub(super) fn over(&self) {
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            tracing::info!("the cache is back");
        }
    }
}
