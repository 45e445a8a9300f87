//! `Send` across targets: futures and values of one-threaded wasm32 are wrapped, so that all of them are `Send`.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future that is `Send` on every target.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A boxed future that is not `Send`.
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

/// Boxes a future without moving it. `Box::pin` builds the future on the stack and copies it. For a large future the copy
/// costs more than the allocation.
#[inline]
pub fn boxed<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    let place = Box::<F>::new_uninit();
    Box::into_pin(Box::write(place, make()) as Box<_>)
}

/// As [`boxed`]. On a target with one thread it makes the future `Send`; elsewhere the future must be `Send`.
#[cfg(not(target_arch = "wasm32"))]
#[inline]
pub fn send<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, F::Output>
where
    F: Future + Send + 'a,
{
    boxed(make)
}

/// As [`boxed`]. On a target with one thread it makes the future `Send`; elsewhere the future must be `Send`.
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

/// Makes a value that is only [`MaybeSend`], such as a JavaScript callback, `Send + Sync`.
#[derive(Debug, Clone)]
pub struct Local<T>(
    #[cfg(not(target_arch = "wasm32"))] T,
    #[cfg(target_arch = "wasm32")] send_wrapper::SendWrapper<T>,
);

impl<T> Local<T> {
    /// Wraps the value.
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

/// A shared value of any type.
#[derive(Debug, Clone)]
pub(crate) struct SharedValue(
    #[cfg(not(target_arch = "wasm32"))] Arc<dyn Any + Send + Sync>,
    // It contains an `Arc<T>`, because an `Arc<dyn Any>` that is not `Send` has no `downcast`.
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
    #[inline]
    pub(crate) fn downcast<T: MaybeSend + MaybeSync + 'static>(self) -> Option<Arc<T>> {
        #[cfg(not(target_arch = "wasm32"))]
        return self.0.downcast().ok();
        #[cfg(target_arch = "wasm32")]
        return self.0.downcast_ref::<Arc<T>>().cloned();
    }
}
