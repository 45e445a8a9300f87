//! The answer to a request.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::ErrorKind;

/// Why a call was allowed or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// All policies had room.
    Allowed,
    /// A policy had no room.
    Exceeded,
    /// This process remembers that a policy has no room until a later time. Redis was not asked.
    Blocked,
    /// A value is on the deny list.
    DenyList,
    /// The server did not answer, or answered with an error, and [`OnFailure`](super::OnFailure) decided.
    Degraded(Failure),
}

impl Reason {
    /// Its name in logs, such as `exceeded`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Exceeded => "exceeded",
            Self::Blocked => "blocked",
            Self::DenyList => "deny-list",
            Self::Degraded(_) => "degraded",
        }
    }
}

/// Why the server gave no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// It took longer than [`timeout`](super::RateLimiterBuilder::timeout).
    Timeout,
    /// The client's error was of this kind.
    Error(ErrorKind),
}

/// The state of a policy after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyState {
    /// The policy's [name](super::Policy::named).
    pub name: Arc<str>,
    /// Whether it had room for the call.
    pub has_room: bool,
    /// Whether it is in [shadow mode](super::Policy::shadow), and so refuses nothing.
    pub shadow: bool,
    /// The most calls of a window, tokens of a bucket, calls in a burst, or leases.
    pub limit: u64,
    /// How much of that is left after this call.
    pub remaining: u64,
    /// How long until a window ends, a bucket gets its next tokens, a burst is whole again, or the next lease ends by itself.
    pub reset_after: Duration,
    /// How long until there is room for this call; `None` if there never is, because it costs more than the limit. Zero if
    /// there is room now.
    pub retry_after: Option<Duration>,
    /// The policy's [window](super::Policy::window).
    pub window: Duration,
}

/// The answer to a request, with the state of each policy that concerns it.
///
/// The numbers without a policy's name are those of the policy that refused, or else of the one with the least left.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a refused call must not go on"]
pub struct Decision {
    pub(super) allowed: bool,
    pub(super) reason: Reason,
    pub(super) states: SmallVec<[PolicyState; 1]>,
    /// The server's time in microseconds, or the best guess of it.
    pub(super) now: u64,
    pub(super) denied: Option<String>,
    /// Whether it is the answer to an earlier request with the same identity.
    pub(super) repeated: bool,
}

impl Decision {
    pub(super) fn new(allowed: bool, reason: Reason, now: u64) -> Self {
        Self { allowed, reason, states: SmallVec::new(), now, denied: None, repeated: false }
    }

    /// Whether the call may go on.
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// Why the call was allowed or refused.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The state of each policy, in their order. It is empty if the deny list or a failure decided; it has the refusing policy
    /// alone for [`Reason::Blocked`].
    pub fn policies(&self) -> &[PolicyState] {
        &self.states
    }

    /// The policy that refused, or else the one with the smallest part of its limit left.
    pub fn policy(&self) -> Option<&PolicyState> {
        let enforced = || self.states.iter().filter(|state| !state.shadow);
        // The longest wait of those that refuse; one that never has room waits longest.
        let wait = |state: &&PolicyState| state.retry_after.unwrap_or(Duration::MAX);
        let refused = enforced().filter(|state| !state.has_room).max_by_key(wait);
        let left = |state: &&PolicyState| {
            u128::from(state.remaining) * (1 << 64) / u128::from(state.limit.max(1))
        };
        refused.or_else(|| enforced().min_by_key(left)).or_else(|| self.states.first())
    }

    /// The limit; 0 if no policy decided.
    pub fn limit(&self) -> u64 {
        self.policy().map_or(0, |policy| policy.limit)
    }

    /// The calls or tokens that are left after this call; 0 if no policy decided.
    pub fn remaining(&self) -> u64 {
        self.policy().map_or(0, |policy| policy.remaining)
    }

    /// How long until the [reset](PolicyState::reset_after) of that policy.
    pub fn reset_after(&self) -> Duration {
        self.policy().map_or(Duration::ZERO, |policy| policy.reset_after)
    }

    /// The time of that reset by the clock that counts, in milliseconds since the Unix epoch.
    pub fn reset_at(&self) -> u64 {
        (self.now + self.reset_after().as_micros() as u64).div_ceil(1000)
    }

    /// How long until a refused call has room; zero for an allowed one. `None` if waiting does not help: the call costs more
    /// than a limit, or a value is on the deny list.
    pub fn retry_after(&self) -> Option<Duration> {
        if self.allowed {
            return Some(Duration::ZERO);
        }
        match self.reason {
            Reason::DenyList => None,
            _ => self.policy().map_or(Some(Duration::ZERO), |policy| policy.retry_after),
        }
    }

    /// The names of the policies in [shadow mode](super::Policy::shadow) that would have refused the call.
    pub fn shadow_refused(&self) -> impl Iterator<Item = &str> {
        self.states.iter().filter(|state| state.shadow && !state.has_room).map(|state| &*state.name)
    }

    /// Whether an earlier request with the same [identity](super::Request::id) was admitted, and this is its answer. This one
    /// counted nothing.
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// The value that is on the deny list.
    pub fn denied_value(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// Why the server gave no decision, if it gave none.
    pub fn failure(&self) -> Option<Failure> {
        match self.reason {
            Reason::Degraded(failure) => Some(failure),
            _ => None,
        }
    }
}

/// Without the value on the deny list, which may be a secret or an address.
impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("allowed", &self.allowed)
            .field("reason", &self.reason)
            .field("policies", &self.states)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
