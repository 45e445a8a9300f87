//! The errors of locks, and the reasons why a lock is lost.

use std::time::Duration;

use crate::{Error, ErrorKind, Key, Outcome};

/// Why a lock was not taken, or is not held any more. No message shows a token or a value.
///
/// An application that returns [`edgecask::Result`](crate::Result) passes it on by `?`: held by another, too many waiters, lost
/// and stale become [`ErrorKind::Conflict`], a wait that was too long [`ErrorKind::Timeout`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another holds the lock, or a waiter has the next turn.
    #[error("{} is held by another", shown(.key))]
    Held {
        /// The key of the lock.
        key: Key,
        /// In what time it is free if its holder does not renew it. `None` if that is not known.
        left: Option<Duration>,
    },
    /// The lock did not become free in time. The caller is not among its waiters any more.
    #[error("{} was not free within {within:?}", shown(.key))]
    TimedOut {
        /// The key of the lock.
        key: Key,
        /// The longest wait.
        within: Duration,
    },
    /// As many callers as [`LockOptions::waiters`](super::LockOptions::waiters) allows wait for the lock.
    #[error("{} has too many waiters", shown(.key))]
    TooManyWaiters {
        /// The key of the lock.
        key: Key,
    },
    /// The lock is not held any more.
    #[error("{} is not held any more: {why}", shown(.key))]
    Lost {
        /// The key of the lock.
        key: Key,
        /// The reason.
        why: Loss,
    },
    /// A later holder has written already; see [`FencedStore`](super::FencedStore).
    #[error("{} was written by a later holder", shown(.key))]
    Stale {
        /// The key of the value.
        key: Key,
        /// The fencing token of the later holder.
        newest: u64,
    },
    /// There is no such [`Latch`](super::Latch): it was not set, has expired, or was lost.
    #[error("{} is not set", shown(.key))]
    NotSet {
        /// The key of the latch.
        key: Key,
    },
    /// Redis is away or refused the command. The lock counts as not held.
    #[error(transparent)]
    Redis(#[from] Error),
}

/// Why a lock is not held any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// The holder released it.
    #[error("it was released")]
    Released,
    /// No renewal succeeded within the time to live: Redis was away, or this process stood still.
    #[error("it was not renewed in time")]
    Expired,
    /// Redis does not have it any more: it was deleted, evicted or overwritten, or Redis came back without it.
    #[error("Redis does not have it any more")]
    Gone,
    /// It was held for as long as [`LockOptions::max_hold`](super::LockOptions::max_hold) allows.
    #[error("it was held for as long as is allowed")]
    Limit,
}

impl From<LockError> for Error {
    fn from(error: LockError) -> Self {
        let kind = match &error {
            LockError::Redis(error) => return error.clone(),
            LockError::TimedOut { .. } => ErrorKind::Timeout,
            LockError::NotSet { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Conflict,
        };
        Self::new(kind, error.to_string()).with_outcome(Outcome::Refused)
    }
}

/// The key as an error shows it.
fn shown(key: &Key) -> String {
    const LONGEST: usize = 200;
    let key = key.as_str();
    match key.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", key[..end].escape_debug()),
        None => key.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_lock_and_becomes_one_of_the_crate() -> crate::Result<()> {
        let key = Key::verbatim("lock:billing:ada")?;
        let within = Duration::from_secs(3);
        let timed_out = Error::from(LockError::TimedOut { key: key.clone(), within });
        assert_eq!(timed_out.to_string(), "timed out: lock:billing:ada was not free within 3s");
        assert_eq!(timed_out.outcome(), Outcome::Refused);
        let lost = Error::from(LockError::Lost { key, why: Loss::Gone });
        let text =
            "conflict: lock:billing:ada is not held any more: Redis does not have it any more";
        assert_eq!(lost.to_string(), text);
        let away = LockError::from(Error::new(ErrorKind::Connect, "refused"));
        assert_eq!(Error::from(away).kind(), ErrorKind::Connect);
        let long = LockError::TooManyWaiters { key: Key::verbatim("ß\n".repeat(9000))? };
        assert!(long.to_string().len() < 1000 && !long.to_string().contains('\n'));
        Ok(())
    }
}
