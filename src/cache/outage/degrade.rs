//! Works without Redis, where the tier allows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::observe::Counters;
use crate::tier::Tier;
use crate::{Error, ErrorKind, Result};

/// A kind of operation. One may work while the other fails: a server whose memory is full still reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Read,
    Write,
}

/// Records the results of commands, and decides by the tier whether a caller continues without Redis. An outage is logged
/// once.
#[derive(Debug)]
pub(crate) struct Outage {
    tier: Tier,
    counters: Arc<Counters>,
    /// The kind of operation that failed first. The outage ends when that kind succeeds.
    failing: Mutex<Option<Operation>>,
}

impl Outage {
    pub(crate) fn new(tier: Tier, counters: Arc<Counters>) -> Self {
        Self { tier, counters, failing: Mutex::default() }
    }

    pub(crate) fn tier(&self) -> Tier {
        self.tier
    }

    fn failing(&self) -> MutexGuard<'_, Option<Operation>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an error; a success ends the outage of its operation.
    pub(crate) fn record<T>(&self, operation: Operation, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => {
                if self.failing().take_if(|failing| *failing == operation).is_some() {
                    tracing::info!("Redis is back: the cache is used again");
                }
            }
            Err(_) => self.counters.failed(),
        }
        result
    }

    /// Whether the tier tolerates this error. It does not tolerate errors that the caller caused.
    pub(crate) fn tolerates(&self, error: &Error) -> bool {
        let callers_mistake = matches!(
            error.kind(),
            ErrorKind::InvalidInput
                | ErrorKind::Config
                | ErrorKind::Unsupported
                | ErrorKind::Type
                | ErrorKind::Codec
                | ErrorKind::Store
        );
        self.tier != Tier::Critical && !callers_mistake
    }

    /// Turns a failure into `None` and a log line, if the tier allows it.
    pub(crate) fn degrade<T>(&self, operation: Operation, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.tolerates(&error) => {
                self.begin(operation, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// As [`Outage::record`], then [`Outage::degrade`].
    pub(crate) fn record_and_degrade<T>(
        &self,
        operation: Operation,
        result: Result<T>,
    ) -> Result<Option<T>> {
        self.degrade(operation, self.record(operation, result))
    }

    /// Counts an error of decoding or encoding, and turns it into `None`, if the tier allows it.
    pub(crate) fn degrade_codec<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.counters.failed();
                if self.tier == Tier::Critical {
                    return Err(error);
                }
                tracing::warn!(%error, "a value cannot be decoded or encoded, and is not cached");
                Ok(None)
            }
        }
    }

    fn begin(&self, operation: Operation, error: &Error) {
        let mut failing = self.failing();
        if failing.is_some() {
            return;
        }
        *failing = Some(operation);
        drop(failing);
        if self.tier == Tier::BestEffort {
            tracing::info!(%error, "Redis is away: continuing without the cache");
        } else {
            tracing::warn!(%error, "Redis is away: reading from the backing store");
        }
    }
}
