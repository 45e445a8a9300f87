//! Requests that are safe to repeat, when their answer is lost.

use std::future::IntoFuture;

use crate::{Error, Outcome, Result};

/// Sends a request that is safe to repeat, and sends it once more if its answer is lost.
pub(crate) async fn repeat_if_lost<T, F>(send: impl Fn() -> F) -> Result<T>
where
    F: IntoFuture<Output = Result<T>>,
{
    match send().await {
        Err(error) if error.outcome() == Outcome::Unknown => send().await.map_err(still_unknown),
        answer => answer,
    }
}

/// The error of a request that was sent once before: even if this one did not reach the server, the first one may have been
/// carried out.
pub(crate) fn still_unknown(error: Error) -> Error {
    error.with_outcome(Outcome::Unknown)
}
