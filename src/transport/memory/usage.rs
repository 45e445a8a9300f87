//! When and how often a value was used, by which the next one to evict is chosen.

use std::cell::Cell;

/// When and how often a value was used.
#[derive(Clone)]
pub(super) struct Usage {
    /// Unix time in seconds, which fits until the year 2106.
    used_at: Cell<u32>,
    /// A logarithmic counter, which falls by one a minute without a use.
    frequency: Cell<u8>,
}

impl Usage {
    /// New values begin here, so that they are not evicted at once.
    const NEW: u8 = 5;
    /// How much harder each step of the counter is to reach than the one before it.
    const FACTOR: u64 = 10;

    pub(super) fn new(now: u64) -> Self {
        Self { used_at: Cell::new((now / 1000) as u32), frequency: Cell::new(Self::NEW) }
    }

    /// Records a use. With `noise`, which is random, uses are counted.
    pub(super) fn note(&self, now: u64, noise: Option<u64>) {
        if let Some(noise) = noise {
            let frequency = self.frequency(now);
            let above = u64::from(frequency.saturating_sub(Self::NEW));
            let is_counted = noise % (above * Self::FACTOR + 1) == 0;
            self.frequency.set(frequency.saturating_add(u8::from(is_counted)));
        }
        self.used_at.set((now / 1000) as u32);
    }

    /// Sets how many seconds ago it was last used.
    pub(super) fn set_idle(&self, now: u64, seconds: u64) {
        self.used_at.set((now / 1000).saturating_sub(seconds) as u32);
    }

    /// Sets the counter of uses.
    pub(super) fn set_frequency(&self, frequency: u8) {
        self.frequency.set(frequency);
    }

    /// How many seconds ago a command last used the value.
    pub(super) fn idle_seconds(&self, now: u64) -> u64 {
        (now / 1000).saturating_sub(self.used_at.get().into())
    }

    /// The counter of uses.
    pub(super) fn frequency(&self, now: u64) -> u8 {
        let minutes = now / 60_000 - u64::from(self.used_at.get() / 60).min(now / 60_000);
        self.frequency.get().saturating_sub(u8::try_from(minutes).unwrap_or(u8::MAX))
    }
}
