//! The hard timeout of a load.

use std::time::Duration;

use super::LoadOptions;
use crate::{Error, ErrorKind, platform};

/// A load took longer than its caller waits.
pub(super) struct TimedOut(pub(super) Duration);

/// Drops a load that takes longer than the hard timeout.
pub(super) async fn within<T>(
    options: &LoadOptions,
    load: impl Future<Output = T>,
) -> Result<T, TimedOut> {
    let Some(limit) = options.hard_timeout else {
        return Ok(load.await);
    };
    use futures_util::future::{Either, select};
    let load = std::pin::pin!(load);
    match select(load, platform::sleep(limit)).await {
        Either::Left((loaded, _)) => Ok(loaded),
        Either::Right(_) => Err(TimedOut(limit)),
    }
}

impl From<TimedOut> for Error {
    fn from(TimedOut(limit): TimedOut) -> Self {
        let text = format!("loading the value took longer than the hard timeout of {limit:?}");
        Self::new(ErrorKind::Timeout, text)
    }
}
