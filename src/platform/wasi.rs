//! WASI: the application's executor.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::send::BoxFuture;

/// The executor of an application on WASI, for [`set_runtime`].
///
/// ```no_run
/// use std::time::Duration;
///
/// use edgecask::platform::{BoxFuture, Runtime, send, set_runtime};
///
/// struct Wstd;
///
/// impl Runtime for Wstd {
///     fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
///         send(move || async move {
///             wstd::task::sleep(duration.into()).await;
///         })
///     }
///
///     fn spawn(&self, work: BoxFuture<'static, ()>) {
///         wstd::runtime::spawn(work).detach();
///     }
/// }
///
/// set_runtime(Wstd);
/// ```
pub trait Runtime: Send + Sync + 'static {
    /// Waits. It is called inside of a future that the executor runs.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Starts work in the background: no caller waits for it.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

static RUNTIME: OnceLock<Box<dyn Runtime>> = OnceLock::new();

/// Sets the executor of the whole program. Only the first call has an effect; returns whether this one had.
pub fn set_runtime(runtime: impl Runtime) -> bool {
    RUNTIME.set(Box::new(runtime)).is_ok()
}

pub(super) fn shares_futures() -> bool {
    RUNTIME.get().is_some()
}

pub(super) fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    match RUNTIME.get() {
        Some(runtime) => runtime.sleep(duration),
        None => Box::pin(polled(duration)),
    }
}

pub(super) fn sleep_idly(duration: Duration) -> BoxFuture<'static, ()> {
    sleep(duration)
}

pub(super) fn spawn(future: BoxFuture<'static, ()>) {
    if let Some(runtime) = RUNTIME.get() {
        runtime.spawn(future);
    }
}

/// Waits under an unknown executor, by polling.
async fn polled(duration: Duration) {
    /// The pause between two polls, so that the wait does not use a whole core.
    const PAUSE: Duration = Duration::from_millis(1);
    let began = Instant::now();
    poll_fn(|context| {
        let left = duration.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Poll::Ready(());
        }
        std::thread::sleep(left.min(PAUSE));
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
