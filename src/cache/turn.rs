//! One at a time: the turns of those who make up for what Redis has missed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::platform::{self, Instant};

/// How long a turn lasts in a Worker if its request ends without a word. A request between two steps takes less.
const LONGEST_STEP: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Turns {
    lock: async_lock::Mutex<()>,
    /// In a Worker: somebody has the turn until then.
    until: Mutex<Option<Instant>>,
}

/// Somebody's turn.
pub(super) enum Turn<'a> {
    Lock { _guard: async_lock::MutexGuard<'a, ()> },
    Moment(Moment<'a>),
}

/// A turn in a Worker. The futures of a request that ends there are neither polled nor dropped any more, so that a lock
/// would be held for ever.
pub(super) struct Moment<'a> {
    turns: &'a Turns,
    until: Instant,
}

impl Turns {
    /// The turn, if nobody has it.
    pub(super) fn try_take(&self) -> Option<Turn<'_>> {
        match platform::shares_futures() {
            true => self.lock.try_lock().map(|guard| Turn::Lock { _guard: guard }),
            false => self.moment(Instant::now()).map(Turn::Moment),
        }
    }

    /// The turn, when nobody has it any more. A request of a Worker does not wait for another.
    pub(super) async fn take(&self) -> Option<Turn<'_>> {
        match platform::shares_futures() {
            true => Some(Turn::Lock { _guard: self.lock.lock().await }),
            false => self.try_take(),
        }
    }

    fn moment(&self, now: Instant) -> Option<Moment<'_>> {
        let mut until = self.until();
        if until.is_some_and(|until| until > now) {
            return None;
        }
        Some(Moment { turns: self, until: *until.insert(now + LONGEST_STEP) })
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// A further step begins.
    pub(super) fn renew(&mut self) {
        if let Self::Moment(moment) = self {
            moment.renew(Instant::now());
        }
    }
}

impl Moment<'_> {
    fn renew(&mut self, now: Instant) {
        let mut until = self.turns.until();
        if *until == Some(self.until) {
            self.until = *until.insert(now + LONGEST_STEP);
        }
    }
}

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        // Somebody else may have it by now.
        self.turns.until().take_if(|until| *until == self.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_in_a_worker_ends_with_its_request() {
        let (turns, now) = (Turns::default(), Instant::now());
        let mut first = turns.moment(now).unwrap();
        let soon = now + LONGEST_STEP / 2;
        assert!(turns.moment(soon).is_none());
        first.renew(soon);
        assert!(turns.moment(now + LONGEST_STEP).is_none());
        // Its request ends, and nothing of it is run any more.
        let later = soon + LONGEST_STEP;
        let second = turns.moment(later).unwrap();
        // Or it was only slow.
        first.renew(later);
        drop(first);
        assert!(turns.moment(later).is_none());
        drop(second);
        assert!(turns.moment(later).is_some());
    }
}
