use std::sync::atomic::{AtomicU8, Ordering};

/// Whether the server answers in RESP2, found out once for single commands and once for pipelines.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    single: AtomicU8,
    batch: AtomicU8,
}

const YES: u8 = 1;
const NO: u8 = 2;

impl Negotiation {
    fn cell(&self, batch: bool) -> &AtomicU8 {
        if batch { &self.batch } else { &self.single }
    }

    /// `None` while it is not known.
    pub(super) fn speaks_resp2(&self, batch: bool) -> Option<bool> {
        match self.cell(batch).load(Ordering::Relaxed) {
            YES => Some(true),
            NO => Some(false),
            _ => None,
        }
    }

    pub(super) fn record(&self, batch: bool, speaks: bool) {
        self.cell(batch).store(if speaks { YES } else { NO }, Ordering::Relaxed);
    }
}
