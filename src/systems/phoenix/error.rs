use crate::lock::LockError;
use crate::{Error, ErrorKind};

/// An error of an application's cache, in the terms of Phoenix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The server was not reached, or refused the command.
    #[error("Redis connection error: {0}")]
    Connection(#[source] Error),
    /// A stored value is not such a record, or a record cannot be encoded.
    #[error("Serialization error: {0}")]
    Serialization(#[source] Error),
    /// The key is absent.
    #[error("Cache key not found")]
    NotFound,
    /// Another client holds the lock, or it was lost.
    #[error("Lock acquisition failed")]
    Lock,
}

impl From<Error> for CacheError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Codec | ErrorKind::Type => Self::Serialization(error),
            _ => Self::Connection(error),
        }
    }
}

impl From<LockError> for CacheError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Redis(error) => error.into(),
            _ => Self::Lock,
        }
    }
}
