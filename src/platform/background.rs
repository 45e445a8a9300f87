//! Background work: no caller waits for it.

use std::fmt;
use std::sync::Arc;

use super::{BoxFuture, Local, MaybeSend, MaybeSync, spawn};

trait WaitUntil: Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync {}
impl<F: Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync> WaitUntil for F {}

/// Where background work goes: to a hook of the caller's, or else to the platform.
#[derive(Clone, Default)]
pub(crate) struct Background(Option<Local<Arc<dyn WaitUntil>>>);

impl Background {
    /// Hands the work to this hook.
    pub(crate) fn hook(
        hook: impl Fn(BoxFuture<'static, ()>) + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        Self(Some(Local::new(Arc::new(hook))))
    }

    /// Whether a hook keeps the work alive until it ends.
    pub(crate) fn has_hook(&self) -> bool {
        self.0.is_some()
    }

    /// Starts work in the background: no caller waits for it.
    pub(crate) fn spawn(&self, work: BoxFuture<'static, ()>) {
        match &self.0 {
            Some(hook) => hook(work),
            None => spawn(work),
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Background").field(&self.has_hook()).finish()
    }
}
