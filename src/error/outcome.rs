//! Was the command carried out?

use super::kind::ErrorKind;

/// What is known of the effect of a command that failed. A retry is always safe after [`Outcome::NotSent`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was not sent, so it was certainly not carried out.
    NotSent,
    /// The server received it and answered with an error.
    Refused,
    /// It may have been sent, and it is not known whether it was carried out.
    Unknown,
    /// It was carried out; only its reply could not be used.
    Completed,
}

impl Outcome {
    /// The outcome of an error of this kind, if nothing more is known.
    pub(super) fn implied_by(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config
            | ErrorKind::InvalidInput
            | ErrorKind::Unsupported
            | ErrorKind::Connect
            | ErrorKind::CircuitOpen
            | ErrorKind::BudgetSpent => Self::NotSent,
            ErrorKind::Unauthorized
            | ErrorKind::Throttled
            | ErrorKind::Server
            | ErrorKind::Discarded
            | ErrorKind::Conflict => Self::Refused,
            ErrorKind::NotFound | ErrorKind::Type | ErrorKind::Codec => Self::Completed,
            ErrorKind::Timeout
            | ErrorKind::Disconnected
            | ErrorKind::Http
            | ErrorKind::Protocol
            | ErrorKind::Store => Self::Unknown,
        }
    }
}
