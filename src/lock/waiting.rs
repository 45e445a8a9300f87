//! Waits for a lock.

use std::sync::Mutex;
use std::time::Duration;

use super::LockError;
use super::attempt::Attempt;
use super::guard::LockGuard;
use super::resource::{Reply, Resource};
use super::wake::Waiter;
use crate::platform::{self, Instant};
use crate::{Error, ErrorKind, Outcome, Result};

/// The shortest pause between two looks of a waiter that is not woken: at most one command a second.
const POLL: Duration = Duration::from_secs(1);
/// The same for a waiter that is woken.
const SHORTEST: Duration = Duration::from_millis(10);
/// Waiters that see the same end of a time to live do not all ask at the same moment.
const SPREAD: Duration = Duration::from_millis(20);

impl Resource {
    /// Takes the lock if it is free.
    pub(super) async fn try_acquire(&self) -> Result<LockGuard, LockError> {
        let mut attempt = Attempt::of(self, self.token()?);
        let sent = Instant::now();
        let (reply, may_arrive) = self.ask_surely(attempt.token(), false).await;
        match reply {
            Ok(Reply::Taken { fence, counter }) => Ok(LockGuard::new(
                self,
                attempt.token.take().unwrap_or_default(),
                fence,
                counter,
                sent,
            )),
            reply => {
                // A request that arrives after this answer must take no lock.
                if !may_arrive && is_sure(&reply) {
                    attempt.finish();
                }
                Err(match reply {
                    Ok(Reply::NotFree { left }) => LockError::Held { key: self.key.clone(), left },
                    Ok(Reply::TooManyWaiters) => self.too_many_waiters(),
                    Ok(_) => ended().into(),
                    Err(error) => error.into(),
                })
            }
        }
    }

    /// Takes the lock as soon as it is free and all earlier waiters have had it.
    pub(super) async fn acquire_within(&self, longest: Duration) -> Result<LockGuard, LockError> {
        if longest.is_zero() {
            return self.try_acquire().await;
        }
        let last_error = Mutex::new(None);
        let acquired = platform::timeout(longest, self.wait(&last_error)).await;
        match (acquired, last_error.into_inner()) {
            (Some(result), _) => result,
            (None, Ok(Some(error))) => Err(LockError::Redis(error)),
            (None, _) => Err(LockError::TimedOut { key: self.key.clone(), within: longest }),
        }
    }

    async fn wait(&self, last_error: &Mutex<Option<Error>>) -> Result<LockGuard, LockError> {
        let note = |error: Option<Error>| {
            if let Ok(mut last) = last_error.lock() {
                *last = error;
            }
        };
        let mut attempt = Attempt::of(self, self.token()?);
        let waiter = self.shared.wake.waiter(attempt.token());
        // Whether the server may have a place in the queue for this caller, or still get a request for one.
        let (mut waits, mut may_wait) = (false, false);
        loop {
            let sent = Instant::now();
            let mut left = None;
            let (reply, may_arrive) = self.ask_surely(attempt.token(), true).await;
            may_wait |= may_arrive || !is_sure(&reply);
            match reply {
                Ok(Reply::Taken { fence, counter }) => {
                    let token = attempt.token.take().unwrap_or_default();
                    return Ok(LockGuard::new(self, token, fence, counter, sent));
                }
                Ok(Reply::NotFree { left: for_now }) => {
                    (left, waits, may_wait) = (for_now, true, true);
                    note(None);
                }
                // A caller that has a place in the queue waits on: Redis may be back in time.
                Err(error) if waits && error.is_transient() => note(Some(error)),
                reply => {
                    if !may_wait {
                        attempt.finish();
                    }
                    return Err(match reply {
                        Ok(Reply::TooManyWaiters) => self.too_many_waiters(),
                        Err(error) => error.into(),
                        Ok(_) => ended().into(),
                    });
                }
            }
            waiter.heard_or(self.pause(&waiter, left)).await;
        }
    }

    /// How long to wait before the next request.
    fn pause(&self, waiter: &Waiter, left: Option<Duration>) -> Duration {
        let (shortest, woken) = match self.options.wake_up && waiter.is_woken() {
            true => (SHORTEST, true),
            false => (POLL, false),
        };
        // A waiter that sends four requests in its time to live keeps its place if one of them is lost.
        let regular = self.options.waiter_ttl.mul_f64(0.22 + 0.06 * platform::random_fraction());
        let free = left.map(|left| left + SPREAD.mul_f64(platform::random_fraction()));
        let jitter =
            if woken { Duration::ZERO } else { POLL.mul_f64(0.3 * platform::random_fraction()) };
        free.map_or(regular, |free| free.min(regular)).max(shortest + jitter)
    }

    fn too_many_waiters(&self) -> LockError {
        LockError::TooManyWaiters { key: self.key.clone() }
    }
}

/// Whether this answer shows that the server holds nothing for the acquisition, if no other request for it is under way.
fn is_sure(reply: &Result<Reply>) -> bool {
    reply.as_ref().map_or_else(|error| error.outcome() != Outcome::Unknown, |_| true)
}

fn ended() -> Error {
    Error::new(ErrorKind::Protocol, "this acquisition was ended before its request arrived")
}
