//! What happens while the server does not answer.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::decision::Failure;
use super::local::LocalLimiter;
use super::policy::{Algorithm, Policy};
use crate::platform::Instant;
use crate::{Error, ErrorKind, Result};

/// The shortest time between two lines of the log.
const QUIET: Duration = Duration::from_secs(10);

/// How a call is decided when the server does not answer in time, or answers that it cannot work now. A permanent error, such as
/// that of a key of another type, is returned to the caller, whatever is chosen here.
///
/// | | for |
/// |---|---|
/// | [`Allow`](Self::Allow) | limits of fair use, such as those of telemetry; the default |
/// | [`Deny`](Self::Deny) | limits that protect money or accounts, such as those of logins |
/// | [`Local`](Self::Local) | everything in between |
///
/// The decision says so ([`Reason::Degraded`](super::Reason::Degraded)), [`LimitStats`](super::LimitStats) counts it, and a
/// warning is logged at most every 10 seconds, with the number of those that were not logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnFailure {
    /// The call is admitted.
    #[default]
    Allow,
    /// The call is refused.
    Deny,
    /// Limiters in the memory of this process decide: one for each policy, with the same limit in the same time, evenly. Each
    /// of `instances` processes gets an equal share of the limit, and at least one call; a limit of 0 stays closed. A refused
    /// call counts in none of them. Concurrency is not limited. These are the policies' own limits: those that Redis has,
    /// of [`Policy::limit_from`](super::Policy::limit_from) and [`RateLimiter::set_limit`](super::RateLimiter::set_limit), are
    /// not known here, so a caller whose limit there is 0 is let in too.
    Local {
        /// How many processes share the limit.
        instances: NonZeroU32,
    },
}

/// Whether an error is a failure of the server or of the network. Others are faults of the caller: wrong arguments, an
/// engine that cannot run the script, keys of another type or in several slots of a cluster.
pub(super) fn is_outage(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Config | ErrorKind::InvalidInput | ErrorKind::Unsupported => false,
        ErrorKind::Server | ErrorKind::Discarded => {
            // A server that is full, cannot save, or has too many clients.
            let full = error.code().is_some_and(|code| matches!(code, "OOM" | "MISCONF"));
            full || error.is_transient() || error.message().contains("max number of clients")
        }
        _ => true,
    }
}

pub(super) fn failure_of(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::Timeout => Failure::Timeout,
        kind => Failure::Error(kind),
    }
}

/// The limiter in memory that replaces a policy while the server is away.
#[derive(Debug)]
pub(super) enum StandIn {
    /// The limit is 0.
    Closed,
    Open(Box<LocalLimiter>),
}

impl StandIn {
    /// Whether a call has room, or how long until it has; it counts nothing.
    pub(super) fn look(&self, key: &str, cost: u64) -> std::result::Result<(), Option<Duration>> {
        match self {
            Self::Closed if cost > 0 => Err(None),
            Self::Closed => Ok(()),
            Self::Open(limiter) => limiter.look(key, cost),
        }
    }

    /// Counts a call that has room.
    pub(super) fn check_n(
        &self,
        key: &str,
        cost: u64,
    ) -> std::result::Result<(), Option<Duration>> {
        match self {
            Self::Closed => self.look(key, cost),
            Self::Open(limiter) => limiter.check_n(key, cost),
        }
    }

    /// Gives back a call that was counted.
    pub(super) fn give_back(&self, key: &str, cost: u64) {
        if let Self::Open(limiter) = self {
            limiter.give_back(key, cost);
        }
    }

    pub(super) fn remaining(&self, key: &str) -> u64 {
        match self {
            Self::Closed => 0,
            Self::Open(limiter) => limiter.remaining(key),
        }
    }
}

/// The limiter that replaces a policy; `None` for one of concurrency.
pub(super) fn stand_in(
    policy: &Policy,
    instances: NonZeroU32,
    keys: usize,
) -> Result<Option<StandIn>> {
    let share = |count: u64| (count / u64::from(instances.get())).max(1);
    let (limit, burst) = match policy.algorithm {
        Algorithm::Lease { .. } => return Ok(None),
        Algorithm::Bucket { refill, .. } => (refill, policy.limit),
        Algorithm::Gcra { burst, .. } => (policy.limit, burst.unwrap_or(policy.limit)),
        _ => (policy.limit, policy.limit),
    };
    if limit == 0 || burst == 0 {
        return Ok(Some(StandIn::Closed));
    }
    let period = Duration::from_millis(policy.algorithm.window());
    LocalLimiter::new(share(limit), period, share(burst))
        .map(|limiter| Some(StandIn::Open(Box::new(limiter.most_keys(keys)))))
}

/// Writes at most one line in [`QUIET`].
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<(Option<Instant>, u64)>);

impl Warnings {
    /// The number of failures since the last line, if a line is due.
    fn due(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, silent) = &mut *state;
        if last.is_some_and(|last| last.elapsed() < QUIET) {
            *silent += 1;
            return None;
        }
        *last = Some(Instant::now());
        Some(std::mem::take(silent))
    }

    pub(super) fn failed(&self, error: &Error, allowed: bool) {
        if let Some(not_logged) = self.due() {
            let kind = error.kind().as_str();
            tracing::warn!(kind, allowed, not_logged, "a rate limit was decided without Redis");
        }
    }
}
