//! The errors of quotas.

use super::Usage;
use crate::{Error, ErrorKind, Key, Outcome};

/// Why an amount was not counted or reserved.
///
/// An application that returns [`edgecask::Result`](crate::Result) passes it on by `?`: a refusal becomes
/// [`ErrorKind::Conflict`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// The amount does not fit. Nothing was counted.
    #[error("{} of {} are used or reserved, {amount} more do not fit: {}", .usage.used.saturating_add(.usage.reserved), .usage.limit, .key.as_str().escape_debug())]
    Exceeded {
        /// The key of the quota.
        key: Key,
        /// The amount that was asked for.
        amount: u64,
        /// The used and the reserved amount.
        usage: Usage,
    },
    /// The quota has as many reservations as it may have: 1000. Nothing was reserved.
    #[error("there are too many reservations: {}", .key.as_str().escape_debug())]
    TooManyReservations {
        /// The key of the quota.
        key: Key,
    },
    /// Redis is away, or refused the command.
    #[error(transparent)]
    Redis(#[from] Error),
}

impl From<QuotaError> for Error {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Redis(error) => error,
            error => {
                Self::new(ErrorKind::Conflict, error.to_string()).with_outcome(Outcome::Refused)
            }
        }
    }
}
