//! The lock that lets one caller at a time drain the backlog.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::platform::{self, Instant};

/// How long a request of a Worker holds the lock without renewing it. No step takes longer.
const LONGEST_STEP: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct DrainLock {
    lock: async_lock::Mutex<()>,
    /// In a Worker: the time until which the lock is held.
    until: Mutex<Option<Instant>>,
}

/// The held lock.
pub(super) enum DrainGuard<'a> {
    Held { _guard: async_lock::MutexGuard<'a, ()> },
    Expiring(ExpiringGuard<'a>),
}

/// The lock as a request of a Worker holds it. When a request ends, its futures are neither polled nor dropped any more,
/// and a mutex would stay locked.
pub(super) struct ExpiringGuard<'a> {
    lock: &'a DrainLock,
    until: Instant,
}

impl DrainLock {
    /// Takes the lock if it is free.
    pub(super) fn try_lock(&self) -> Option<DrainGuard<'_>> {
        match platform::shares_futures() {
            true => self.lock.try_lock().map(|guard| DrainGuard::Held { _guard: guard }),
            false => self.expiring(Instant::now()).map(DrainGuard::Expiring),
        }
    }

    /// Takes the lock as soon as it is free. `None` in a Worker if another request holds it.
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
        // The lock may have expired and have another holder by now.
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
        // Its request ends, and its futures do not run any more.
        let later = soon + LONGEST_STEP;
        let second = lock.expiring(later).unwrap();
        // The first request was only slow, and still holds its guard.
        first.renew(later);
        drop(first);
        assert!(lock.expiring(later).is_none());
        drop(second);
        assert!(lock.expiring(later).is_some());
    }
}
