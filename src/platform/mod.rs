//! Clock, sleep, tasks, randomness and `Send`: where native and wasm32 differ.
//!
//! Every future that this crate returns is `Send` on every target. On wasm32, which has one thread, futures over
//! JavaScript objects are wrapped here; no other room needs to know.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(any(target_arch = "wasm32", feature = "worker"))]
pub mod log;
#[cfg(target_arch = "wasm32")]
mod timer;
#[cfg(any(target_arch = "wasm32", feature = "worker"))]
mod worker;
#[cfg(all(target_arch = "wasm32", feature = "rest"))]
pub mod worker_cache;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use web_time::Instant;

#[cfg(feature = "gzip")]
pub use self::gzip::{gunzip, gzip};

/// A boxed future that is `Send` on every target.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed future that stays on its thread.
#[cfg(target_arch = "wasm32")]
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// `Send` on native targets, nothing on wasm32. The bound of what users hand in: loaders, backing stores.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSend: Send {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + ?Sized> MaybeSend for T {}
/// `Send` on native targets, nothing on wasm32. The bound of what users hand in: loaders, backing stores.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSend {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSend for T {}

/// `Sync` on native targets, nothing on wasm32.
#[cfg(not(target_arch = "wasm32"))]
pub trait MaybeSync: Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Sync + ?Sized> MaybeSync for T {}
/// `Sync` on native targets, nothing on wasm32.
#[cfg(target_arch = "wasm32")]
pub trait MaybeSync {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> MaybeSync for T {}

/// A future that is made in its box. `Box::pin` makes it beside the box, and copies all of it: a large future has little
/// in it at first, and its copy costs more than the box.
#[inline]
pub fn boxed<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    let place = Box::<F>::new_uninit();
    Box::into_pin(Box::write(place, make()) as Box<_>)
}

/// As [`boxed`]; makes the future `Send` where the target has one thread, and asks for `Send` where it has many.
#[cfg(not(target_arch = "wasm32"))]
#[inline]
pub fn send<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    boxed(make)
}

/// As [`boxed`]; makes the future `Send` where the target has one thread, and asks for `Send` where it has many.
#[cfg(target_arch = "wasm32")]
#[inline]
pub fn send<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + 'a,
{
    boxed(|| send_wrapper::SendWrapper::new(make()))
}

/// As [`send`], for a stream.
#[cfg(target_arch = "wasm32")]
pub fn send_stream<T>(
    stream: impl futures_util::Stream<Item = T> + 'static,
) -> futures_util::stream::BoxStream<'static, T> {
    Box::pin(send_wrapper::SendWrapper::new(stream))
}

/// Holds a value that users handed in with [`MaybeSend`], such as a JavaScript callback, in a place that has to be
/// `Send + Sync`.
#[derive(Debug, Clone)]
pub struct Local<T>(
    #[cfg(not(target_arch = "wasm32"))] T,
    #[cfg(target_arch = "wasm32")] send_wrapper::SendWrapper<T>,
);

impl<T> Local<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        return Self(value);
        #[cfg(target_arch = "wasm32")]
        return Self(send_wrapper::SendWrapper::new(value));
    }
}

impl<T> std::ops::Deref for Local<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A value of any type, shared by many.
#[derive(Debug, Clone)]
pub(crate) struct SharedValue(
    #[cfg(not(target_arch = "wasm32"))] Arc<dyn Any + Send + Sync>,
    // An `Arc<T>` inside, since an `Arc<dyn Any>` that is not `Send` has no `downcast`.
    #[cfg(target_arch = "wasm32")] send_wrapper::SendWrapper<Arc<dyn Any>>,
);

impl SharedValue {
    pub(crate) fn new<T: MaybeSend + MaybeSync + 'static>(value: Arc<T>) -> Self {
        #[cfg(not(target_arch = "wasm32"))]
        return Self(value);
        #[cfg(target_arch = "wasm32")]
        return Self(send_wrapper::SendWrapper::new(Arc::new(value)));
    }

    /// The value, if it is of this type.
    pub(crate) fn get<T: MaybeSend + MaybeSync + 'static>(&self) -> Option<Arc<T>> {
        #[cfg(not(target_arch = "wasm32"))]
        return Arc::clone(&self.0).downcast().ok();
        #[cfg(target_arch = "wasm32")]
        return self.0.downcast_ref::<Arc<T>>().cloned();
    }
}

/// Whether callers may wait for each other's futures, and work outlives the call that started it: everywhere but in a
/// Cloudflare Worker, where a request that waits for another's hangs.
pub fn shares_futures() -> bool {
    #[cfg(not(target_arch = "wasm32"))]
    return true;
    #[cfg(target_arch = "wasm32")]
    return !worker::is_here();
}

/// Says whether this program runs in a Cloudflare Worker, for one that is taken for the wrong thing. It comes before the first
/// call. Default: whether `navigator.userAgent` is `Cloudflare-Workers`, or there is a `WebSocketPair`.
#[cfg(target_arch = "wasm32")]
pub fn set_worker(is_worker: bool) {
    worker::say(is_worker);
}

/// Milliseconds since the Unix epoch by the wall clock. In a Worker it stands still between I/O.
pub fn unix_millis() -> u64 {
    unix_micros() / 1000
}

/// Microseconds since the Unix epoch by the wall clock, as far as the platform tells them.
pub fn unix_micros() -> u64 {
    web_time::SystemTime::now()
        .duration_since(web_time::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

/// Waits. On native targets it needs a Tokio runtime.
pub fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
    #[cfg(not(target_arch = "wasm32"))]
    return Box::pin(tokio::time::sleep(duration));
    #[cfg(target_arch = "wasm32")]
    return send(|| async move {
        // A timer of JavaScript's holds no more milliseconds than an i32.
        const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);
        let mut left = duration;
        while left > LONGEST {
            gloo_timers::future::sleep(LONGEST).await;
            left -= LONGEST;
        }
        gloo_timers::future::sleep(left).await;
    });
}

/// As [`sleep`], of a length that a timer of JavaScript's holds, 24 days; but it does not keep a process of Node's alive.
pub fn sleep_idly(duration: Duration) -> BoxFuture<'static, ()> {
    #[cfg(not(target_arch = "wasm32"))]
    return sleep(duration);
    #[cfg(target_arch = "wasm32")]
    return send(|| timer::idle(duration));
}

/// The future's output, or `None` if `limit` passes first; the future is dropped then, which cancels its request.
pub async fn timeout<T>(limit: Duration, future: impl Future<Output = T> + MaybeSend) -> Option<T> {
    use futures_util::future::{Either, select};
    let future = std::pin::pin!(future);
    match select(future, sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Starts work that nobody waits for. On native targets nothing comes of it outside of a Tokio runtime; in a Worker it
/// ends with the request, unless it is given to `wait_until` instead.
pub fn spawn(future: BoxFuture<'static, ()>) {
    #[cfg(not(target_arch = "wasm32"))]
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(future);
    }
    // What it logs goes where the lines of the call go that started it.
    #[cfg(target_arch = "wasm32")]
    wasm_bindgen_futures::spawn_local(
        tracing::instrument::WithSubscriber::with_current_subscriber(future),
    );
}

/// Lets everything else that is ready run once before it goes on.
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

/// A random number from 0 to 1, for jitter; 1 where there is no randomness.
pub fn random_fraction() -> f64 {
    random().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

/// Fills an array with random bytes from the system.
///
/// # Errors
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where the system has no source of randomness, as at the
/// global scope of a Worker.
pub fn random<const N: usize>() -> crate::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        crate::Error::new(crate::ErrorKind::Unsupported, format!("no randomness here: {error}"))
    })?;
    Ok(bytes)
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
