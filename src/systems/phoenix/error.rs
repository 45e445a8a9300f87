use crate::{Error, ErrorKind};

/// What the cache of an application can say, in the terms of Phoenix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The server was not reached, or refused.
    #[error("Redis connection error: {0}")]
    Connection(#[source] Error),
    /// What is stored is no such record, or a record has no stored form.
    #[error("Serialization error: {0}")]
    Serialization(#[source] Error),
    /// The key is absent.
    #[error("Cache key not found")]
    NotFound,
    /// Another one holds the lock.
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
