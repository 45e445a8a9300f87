use std::sync::atomic::{AtomicU8, Ordering};

use super::features::Feature;
use crate::{Error, ErrorKind, Result};

/// The features that the server is declared or was found to have. Each is discovered once.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    /// Whether single commands are answered in RESP2.
    single: AtomicU8,
    /// Whether pipelines are answered in RESP2.
    batch: AtomicU8,
    /// Whether strings come in base64 if that is asked for.
    base64: AtomicU8,
    path_commands: AtomicU8,
    transactions: AtomicU8,
    scripts: AtomicU8,
    key_locking: AtomicU8,
    subscriptions: AtomicU8,
    monitor: AtomicU8,
    sync_tokens: AtomicU8,
}

const UNKNOWN: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;
/// One request is under way to find out.
const TRYING: u8 = 3;

fn known(cell: &AtomicU8) -> Option<bool> {
    match cell.load(Ordering::Relaxed) {
        YES => Some(true),
        NO => Some(false),
        _ => None,
    }
}

fn state(yes: bool) -> u8 {
    if yes { YES } else { NO }
}

impl Negotiation {
    fn cell(&self, batch: bool) -> &AtomicU8 {
        if batch { &self.batch } else { &self.single }
    }

    /// `None` while it is not known.
    pub(super) fn speaks_resp2(&self, batch: bool) -> Option<bool> {
        known(self.cell(batch))
    }

    /// Begins to find out, if no other request does so at this moment.
    pub(super) fn try_resp2(&self, batch: bool) -> Option<Trial<'_>> {
        let cell = self.cell(batch);
        let begun = cell.compare_exchange(UNKNOWN, TRYING, Ordering::Relaxed, Ordering::Relaxed);
        begun.ok().map(|_| Trial(cell))
    }

    /// Whether strings come in base64. A server that knows one of the two headers knows both.
    pub(super) fn speaks_base64(&self) -> Option<bool> {
        let resp2 =
            || [false, true].into_iter().any(|batch| self.speaks_resp2(batch) == Some(true));
        known(&self.base64).or_else(|| resp2().then_some(true))
    }

    fn feature(&self, feature: Feature) -> &AtomicU8 {
        match feature {
            Feature::Resp2 => &self.single,
            Feature::Base64 => &self.base64,
            Feature::PathCommands => &self.path_commands,
            Feature::Transactions => &self.transactions,
            Feature::Scripts => &self.scripts,
            Feature::KeyLocking => &self.key_locking,
            Feature::Subscriptions => &self.subscriptions,
            Feature::Monitor => &self.monitor,
            Feature::SyncTokens => &self.sync_tokens,
        }
    }

    /// `None` while it is not known.
    pub(super) fn has(&self, feature: Feature) -> Option<bool> {
        match feature {
            Feature::Resp2 => self.speaks_resp2(false).or(self.speaks_resp2(true)),
            Feature::Base64 => self.speaks_base64(),
            other => known(self.feature(other)),
        }
    }

    /// Records what the user declares or what an answer shows.
    pub(super) fn record(&self, feature: Feature, has: bool) {
        self.feature(feature).store(state(has), Ordering::Relaxed);
        if feature == Feature::Resp2 {
            self.batch.store(state(has), Ordering::Relaxed);
        }
    }

    /// Refuses a call that needs a feature that the server lacks.
    pub(super) fn require(&self, feature: Feature) -> Result<()> {
        match self.has(feature) {
            Some(false) => Err(Error::new(ErrorKind::Unsupported, feature.missing())),
            _ => Ok(()),
        }
    }

    /// Learns from the result of a call to an endpoint that not every server has.
    pub(super) fn learn_endpoint<T>(&self, feature: Feature, result: Result<T>) -> Result<T> {
        match result {
            // Some frameworks answer with a JSON object that has a field `error`.
            Err(error)
                if error.status() == Some(404)
                    && matches!(error.kind(), ErrorKind::Http | ErrorKind::Server)
                    && error.code().is_none() =>
            {
                self.record(feature, false);
                Err(Error::new(ErrorKind::Unsupported, feature.missing()).with_status(404))
            }
            Ok(value) => {
                self.record(feature, true);
                Ok(value)
            }
            other => other,
        }
    }
}

/// A request that finds out whether the server answers in RESP2. Dropping it leaves that open.
pub(super) struct Trial<'a>(&'a AtomicU8);

impl Trial<'_> {
    pub(super) fn record(self, speaks: bool) {
        self.0.store(state(speaks), Ordering::Relaxed);
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let _ = self.0.compare_exchange(TRYING, UNKNOWN, Ordering::Relaxed, Ordering::Relaxed);
    }
}
