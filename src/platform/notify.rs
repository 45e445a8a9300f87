//! A wake-up of one waiting task.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Wakes one waiting task. It stores one notification: a [`notified`](Self::notified) after a [`notify`](Self::notify) returns at once.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    notified: AtomicBool,
    waker: AtomicWaker,
}

impl Notify {
    pub(crate) fn notify(&self) {
        self.notified.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits for a notification, and consumes it.
    pub(crate) async fn notified(&self) {
        poll_fn(|context| {
            self.waker.register(context.waker());
            match self.notified.swap(false, Ordering::AcqRel) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}
