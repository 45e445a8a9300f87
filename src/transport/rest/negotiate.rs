use std::sync::atomic::{AtomicU8, Ordering};

/// What the server was found to know. Each is found out once.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    /// Whether single commands are answered in RESP2.
    single: AtomicU8,
    /// Whether pipelines are answered in RESP2.
    batch: AtomicU8,
    /// Whether strings come in base64 if that is asked for.
    base64: AtomicU8,
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

    pub(super) fn record_base64(&self, speaks: bool) {
        self.base64.store(state(speaks), Ordering::Relaxed);
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
