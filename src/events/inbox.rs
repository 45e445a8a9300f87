//! The queue of a channel's signals for one subscriber.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use super::frame::Frame;
use crate::client::Event;
use crate::{Error, ErrorKind, Result};

/// A signal of the channel to a subscriber.
#[derive(Debug)]
pub(super) enum Signal {
    /// Events that are published from now on are received.
    Connected,
    Frame(Frame),
    /// Frames were dropped, because the subscriber was too slow.
    Overflow,
    /// The source has ended: no more signals follow.
    Ended(Error),
}

/// The signals that wait for one subscriber: up to `bound` frames, and up to one other signal before each and at the end.
/// Frames beyond the bound are dropped.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<Waiting>,
    waker: AtomicWaker,
}

#[derive(Default)]
struct Waiting {
    signals: VecDeque<Signal>,
    frames: usize,
    bound: usize,
    /// Dropped frames that were not reported to the subscriber yet.
    dropped: usize,
}

impl Inbox {
    pub(super) fn new(bound: usize) -> Arc<Self> {
        let inbox = Self::default();
        inbox.waiting().bound = bound;
        Arc::new(inbox)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, signal: Signal) {
        let mut waiting = self.waiting();
        match signal {
            Signal::Frame(_) => {
                if waiting.frames == waiting.bound {
                    // One signal replaces all that waited.
                    waiting.signals.clear();
                    waiting.dropped += std::mem::take(&mut waiting.frames);
                    waiting.signals.push_back(Signal::Overflow);
                }
                waiting.frames += 1;
            }
            // The signal that waits there has the same effect.
            Signal::Connected
                if matches!(
                    waiting.signals.back(),
                    Some(Signal::Connected | Signal::Overflow | Signal::Ended(_))
                ) =>
            {
                return;
            }
            _ => {}
        }
        waiting.signals.push_back(signal);
        drop(waiting);
        self.waker.wake();
    }

    pub(super) async fn next(&self) -> Signal {
        poll_fn(|context| {
            self.waker.register(context.waker());
            let mut waiting = self.waiting();
            // The end stays: each call returns it.
            if let Some(Signal::Ended(error)) = waiting.signals.front() {
                return Poll::Ready(Signal::Ended(error.clone()));
            }
            let Some(signal) = waiting.signals.pop_front() else { return Poll::Pending };
            match signal {
                Signal::Frame(_) => waiting.frames -= 1,
                Signal::Overflow => waiting.dropped = 0,
                _ => {}
            }
            Poll::Ready(signal)
        })
        .await
    }

    /// Drops the signals that a read of the history replaces. Returns whether frames had been dropped before.
    pub(super) fn drop_kept(&self) -> bool {
        let mut waiting = self.waiting();
        let is_kept = |signal: &Signal| match signal {
            Signal::Frame(frame) => frame.position.is_some(),
            Signal::Connected | Signal::Overflow => true,
            Signal::Ended(_) => false,
        };
        waiting.signals.retain(|signal| !is_kept(signal));
        let is_frame = |signal: &&Signal| matches!(signal, Signal::Frame(_));
        waiting.frames = waiting.signals.iter().filter(is_frame).count();
        std::mem::take(&mut waiting.dropped) > 0
    }

    /// The number of frames that wait or were dropped.
    pub(super) fn lag(&self) -> usize {
        let waiting = self.waiting();
        waiting.frames + waiting.dropped
    }
}

/// Converts an event of the client's subscriber.
pub(super) fn signal(event: Result<Event>) -> Option<Signal> {
    Some(match event {
        Ok(Event::Message(message)) => Signal::Frame(Frame::published(message.payload)),
        Ok(Event::Lost(error)) => {
            tracing::debug!(%error, "events are missed until the connection is back");
            return None;
        }
        Ok(Event::Resumed) => Signal::Connected,
        Err(error) => Signal::Ended(error),
    })
}

pub(super) fn ended() -> Error {
    Error::new(ErrorKind::Disconnected, "the subscription is over")
}

#[cfg(test)]
mod tests {
    use super::super::position::Position;
    use super::*;

    #[tokio::test]
    async fn an_inbox_is_bounded_and_tells_of_what_it_dropped() {
        let inbox = Inbox::new(2);
        let frame = |text: &'static str| Signal::Frame(Frame::published(text.into()));
        inbox.push(Signal::Connected);
        ["1", "2", "3"].map(frame).into_iter().for_each(|frame| inbox.push(frame));
        assert_eq!(inbox.lag(), 3);
        assert!(matches!(inbox.next().await, Signal::Overflow));
        assert!(matches!(inbox.next().await, Signal::Frame(_)));
        assert_eq!(inbox.lag(), 0);
    }

    #[tokio::test]
    async fn who_does_not_read_has_a_bounded_queue_and_one_reason_to_look() {
        for bound in [1, 7] {
            let inbox = Inbox::new(bound);
            for number in 0..10_000 {
                inbox.push(Signal::Frame(Frame::kept(Position { epoch: 1, offset: number }, b"}")));
                if number % 100 == 0 {
                    inbox.push(Signal::Connected);
                    inbox.push(Signal::Connected);
                }
                assert!(inbox.waiting().signals.len() <= 2 * bound + 1);
            }
            assert!(matches!(inbox.next().await, Signal::Overflow));
            assert!(!inbox.drop_kept(), "the loss was reported to the subscriber");
            assert!(inbox.waiting().signals.is_empty());
        }
    }
}
