//! Native targets: Tokio.

use std::time::Duration;

use super::send::BoxFuture;

pub(super) fn shares_futures() -> bool {
    true
}

pub(super) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    Box::pin(tokio::time::sleep(duration))
}

pub(super) fn sleep_idly(duration: Duration) -> BoxFuture<'static, ()> {
    sleep(duration)
}

pub(super) fn spawn(future: BoxFuture<'static, ()>) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(future);
    }
}
