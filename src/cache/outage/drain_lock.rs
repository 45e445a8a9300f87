//! One caller at a time drains the backlog.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::platform::{self, Instant};

/// How long a request of a Worker holds the lock without renewing it. A step takes less.
const LONGEST_STEP: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct DrainLock {
    lock: async_lock::Mutex<()>,
    /// In a Worker: the lock is held until then.
    until: Mutex<Option<Instant>>,
}

/// The lock, held.
pub(super) enum DrainGuard<'a> {
    Held { _guard: async_lock::MutexGuard<'a, ()> },
    Expiring(ExpiringGuard<'a>),
}

/// The lock as a request of a Worker holds it. When a request ends there, its futures are neither polled nor dropped any
/// more; a mutex would be held for ever.
pub(super) struct ExpiringGuard<'a> {
    lock: &'a DrainLock,
    until: Instant,
}

impl DrainLock {
    /// The lock, if it is free.
    pub(super) fn try_lock(&self) -> Option<DrainGuard<'_>> {
        match platform::shares_futures() {
            true => self.lock.try_lock().map(|guard| DrainGuard::Held { _guard: guard }),
            false => self.expiring(Instant::now()).map(DrainGuard::Expiring),
        }
    }

    /// The lock, as soon as it is free. `None` in a Worker if another request holds it.
    pub(super) async fn lock(&self) -> Option<DrainGuard<'_>> {
        match platform::shares_futures() {
            true => Some(DrainGuard::Held { _guard: self.lock.lock().await }),
            false => self.try_lock(),
        }
    }

    fn expiring(&self, now: Instant) -> Option<ExpiringGuard<'_>> {
        let mut until = self.until();
        if until.is_some_and(|until| until > now) {
            return None;
        }
        Some(ExpiringGuard { lock: self, until: *until.insert(now + LONGEST_STEP) })
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DrainGuard<'_> {
    /// Renews the lock before a further step.
    pub(super) fn renew(&mut self) {
        if let Self::Expiring(guard) = self {
            guard.renew(Instant::now());
        }
    }
}

impl ExpiringGuard<'_> {
    fn renew(&mut self, now: Instant) {
        let mut until = self.lock.until();
        if *until == Some(self.until) {
            self.until = *until.insert(now + LONGEST_STEP);
        }
    }
}

impl Drop for ExpiringGuard<'_> {
    fn drop(&mut self) {
        // Somebody else may hold it by now.
        self.lock.until().take_if(|until| *until == self.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_a_request_expires() {
        let (lock, now) = (DrainLock::default(), Instant::now());
        let mut first = lock.expiring(now).unwrap();
        let soon = now + LONGEST_STEP / 2;
        assert!(lock.expiring(soon).is_none());
        first.renew(soon);
        assert!(lock.expiring(now + LONGEST_STEP).is_none());
        // Its request ends, and nothing of it is run any more.
        let later = soon + LONGEST_STEP;
        let second = lock.expiring(later).unwrap();
        // Or it was only slow.
        first.renew(later);
        drop(first);
        assert!(lock.expiring(later).is_none());
        drop(second);
        assert!(lock.expiring(later).is_some());
    }
}
