//! Clock, sleep, tasks, randomness and `Send`: everything that differs between targets.
//!
//! | target | clock | randomness | sleep | tasks |
//! |---|---|---|---|---|
//! | native | the system's | the system's | Tokio | Tokio |
//! | `wasm32-unknown-unknown`, with a JavaScript host | `Date` and `performance` | `crypto` | `setTimeout` | the host's queue of microtasks |
//! | `wasm32-wasip1`, `wasm32-wasip2` | WASI's | WASI's | the [`Runtime`](#wasi) that the application sets | the same |
//!
//! Every future that this crate returns is `Send` on every target. On wasm32, which has one thread, this module wraps
//! futures over JavaScript objects, so that no other module has to.
//!
//! # WASI
//! WASI has a clock and pollable timers, but the application chooses the executor. On these targets this module has the
//! trait `Runtime` and the function `set_runtime`, by which an application sets its executor once, before its first call.
//! `examples/wasi.rs` does so with `wstd`, and has an `HttpClient` over `wasi:http`.
//!
//! Without a runtime everything works under every executor, with two limits. A wait is polled each millisecond, and blocks
//! the thread in between. [`spawn`] does nothing, and [`shares_futures`] is `false`.

mod background;
mod beside;
mod clock;
#[cfg(feature = "gzip")]
mod gzip;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod javascript;
#[cfg(any(all(target_arch = "wasm32", target_os = "unknown"), feature = "worker"))]
pub mod log;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod notify;
mod send;
#[cfg(all(target_arch = "wasm32", not(target_os = "unknown")))]
mod wasi;
#[cfg(any(all(target_arch = "wasm32", target_os = "unknown"), feature = "worker"))]
mod worker;
#[cfg(all(target_arch = "wasm32", target_os = "unknown", feature = "rest"))]
pub mod worker_cache;

use std::future::Future;
use std::time::Duration;

pub use web_time::Instant;

pub(crate) use self::background::Background;
pub(crate) use self::beside::beside;
pub(crate) use self::clock::Expiry;
#[cfg(feature = "gzip")]
pub use self::gzip::{gunzip, gzip};
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use self::javascript as host;
#[cfg(not(target_arch = "wasm32"))]
use self::native as host;
pub(crate) use self::notify::Notify;
pub(crate) use self::send::SharedValue;
pub use self::send::{BoxFuture, Local, MaybeSend, MaybeSync, boxed, send};
#[cfg(target_arch = "wasm32")]
pub use self::send::{LocalFuture, send_stream};
#[cfg(all(target_arch = "wasm32", not(target_os = "unknown")))]
use self::wasi as host;
#[cfg(all(target_arch = "wasm32", not(target_os = "unknown")))]
pub use self::wasi::{Runtime, set_runtime};

/// Whether callers may wait for each other's futures, and background work may outlive the call that started it. It is
/// `false` in a Cloudflare Worker, where a request hangs if it waits for a future of another request, and on WASI without a
/// runtime.
pub fn shares_futures() -> bool {
    host::shares_futures()
}

/// Overrides the detection of a Cloudflare Worker. Call it before anything else. Default: whether `navigator.userAgent` is
/// `Cloudflare-Workers`, or there is a `WebSocketPair`.
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub fn set_worker(is_worker: bool) {
    worker::say(is_worker);
}

/// Whether this program runs in a Cloudflare Worker.
#[cfg(all(target_arch = "wasm32", target_os = "unknown", feature = "rest"))]
pub(crate) fn is_worker() -> bool {
    worker::is_here()
}

/// Milliseconds since the Unix epoch by the wall clock. In a Worker it stands still between I/O.
pub fn unix_millis() -> u64 {
    unix_micros() / 1000
}

/// Microseconds since the Unix epoch by the wall clock, in the resolution of the platform.
pub fn unix_micros() -> u64 {
    web_time::SystemTime::now()
        .duration_since(web_time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

/// Waits. On native targets it needs a Tokio runtime.
pub fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    host::sleep(duration)
}

/// As [`sleep`], but on a JavaScript host it does not keep a Node process alive, and lasts at most 24 days, the limit of a
/// timer there.
pub fn sleep_idly(duration: Duration) -> BoxFuture<'static, ()> {
    host::sleep_idly(duration)
}

/// The future's output, or `None` if `limit` passes first. Then the future is dropped, which cancels its request.
pub async fn timeout<T>(limit: Duration, future: impl Future<Output = T> + MaybeSend) -> Option<T> {
    use futures_util::future::{Either, select};
    let future = std::pin::pin!(future);
    match select(future, sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Starts background work. It does nothing on native targets outside of a Tokio runtime, and on WASI without a runtime. In
/// a Worker it ends with the request; use `wait_until` instead.
pub fn spawn(future: BoxFuture<'static, ()>) {
    host::spawn(future);
}

/// Lets other ready tasks run before it continues.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

/// A random number from 0 to 1, for jitter; 1 if there is no source of randomness.
pub fn random_fraction() -> f64 {
    random().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

/// Fills an array with random bytes from the system.
///
/// # Errors
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the system has no source of randomness, for example in the
/// global scope of a Worker.
pub fn random<const N: usize>() -> crate::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        crate::Error::new(
            crate::ErrorKind::Unsupported,
            format!("there is no source of randomness: {error}"),
        )
    })?;
    Ok(bytes)
}

/// A text that no other process makes: 128 random bits, in hexadecimal.
pub(crate) fn random_id() -> crate::Result<String> {
    Ok(format!("{:032x}", u128::from_le_bytes(random()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timeout_ends_what_would_hang() {
        let hung = std::future::pending::<()>();
        assert!(timeout(Duration::from_secs(1), hung).await.is_none());
        assert_eq!(timeout(Duration::from_secs(1), async { 7 }).await, Some(7));
    }

    #[test]
    fn random_bytes_differ() {
        assert_ne!(random::<16>().ok(), random::<16>().ok());
    }
}
