use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Cache, Tier};
use crate::{Error, ErrorKind, Result};

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
    fn degraded(&self, access: Access, tier: Tier, error: &Error) {
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

impl Cache {
    /// Whether this is an outage that the tier forgives: nothing that the caller did wrong.
    pub(super) fn forgives(&self, error: &Error) -> bool {
        let callers = matches!(
            error.kind(),
            ErrorKind::InvalidInput
                | ErrorKind::Config
                | ErrorKind::Unsupported
                | ErrorKind::Type
                | ErrorKind::Codec
                | ErrorKind::Store
        );
        self.tier() != Tier::Critical && !callers
    }

    /// Turns an outage into `None` and a log line, where the tier allows it.
    pub(super) fn forgive<T>(&self, access: Access, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.forgives(&error) => {
                self.shared.outage.degraded(access, self.tier(), &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Counts a value that has not the form it should have, and turns it into `None`, where the tier allows it.
    pub(super) fn forgive_codec<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.shared.counters.failed();
                if self.tier() == Tier::Critical {
                    return Err(error);
                }
                tracing::warn!(%error, "a cached value is ignored");
                Ok(None)
            }
        }
    }
}
