use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Tier;
use crate::Error;

/// What was asked of the cache. A server may do the one and not the other: when its memory is full, it still reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Whether the cache is away; it turns many failures into one line in the log.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// What failed first. Only its success ends the outage.
    failing: Mutex<Option<Access>>,
}

impl Outage {
    fn failing(&self) -> MutexGuard<'_, Option<Access>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cache failed, and the caller went on without it.
    pub(super) fn degraded(&self, access: Access, tier: Tier, error: &Error) {
        let mut failing = self.failing();
        if failing.is_some() {
            return;
        }
        *failing = Some(access);
        drop(failing);
        if tier == Tier::BestEffort {
            tracing::info!(%error, "the cache is away: going on without it");
        } else {
            tracing::warn!(%error, "the cache is away: reading from the backing store");
        }
    }

    /// The cache did what was asked.
    pub(super) fn over(&self, access: Access) {
        if self.failing().take_if(|failing| *failing == access).is_some() {
            tracing::info!("the cache is back");
        }
    }
}
