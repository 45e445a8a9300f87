//! The subscription of a process to a topic, which all of its subscribers share.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{BoxStream, StreamExt};
use futures_util::task::AtomicWaker;

use super::frame::Frame;
use super::position::Position;
use crate::client::Event;
use crate::platform::{self, BoxFuture, boxed};
use crate::{Error, ErrorKind, Result};

/// Messages of a channel, with the losses and returns of the connection.
pub(super) type Live = BoxStream<'static, Result<Event>>;

/// What a subscriber hears of the channel.
#[derive(Debug)]
pub(super) enum Signal {
    /// From now on, what is published is received.
    Connected,
    Frame(Frame),
    /// Frames were dropped, because the subscriber was too slow.
    Overflow,
    /// Nothing more will come.
    Ended(Error),
}

/// Where the signals for one subscriber wait: up to `bound` frames, and up to one other signal before each and at the end.
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
    /// Frames that were dropped and of which the subscriber has not heard.
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
                    // One signal stands for all that waited.
                    waiting.signals.clear();
                    waiting.dropped += std::mem::take(&mut waiting.frames);
                    waiting.signals.push_back(Signal::Overflow);
                }
                waiting.frames += 1;
            }
            // What waits there has the same effect.
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
            // It ended for good, and says so as often as it is asked.
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

    /// Drops what a look at the history makes up for. Returns whether frames had been dropped before.
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

    /// How many frames wait or were dropped.
    pub(super) fn lag(&self) -> usize {
        let waiting = self.waiting();
        waiting.frames + waiting.dropped
    }
}

/// A channel's messages for all subscribers of this process.
#[derive(Default)]
pub(super) struct Feed {
    state: Mutex<State>,
    /// Wakes the task when there are no subscribers left.
    stop: AtomicWaker,
}

#[derive(Default)]
struct State {
    inboxes: Vec<Arc<Inbox>>,
    connected: bool,
    over: bool,
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscriber, unless the feed is over.
    pub(super) fn join(&self, inbox: &Arc<Inbox>) -> bool {
        let mut state = self.state();
        if state.over {
            return false;
        }
        if state.connected {
            inbox.push(Signal::Connected);
        }
        state.inboxes.push(Arc::clone(inbox));
        true
    }

    pub(super) fn leave(&self, inbox: &Arc<Inbox>) {
        let mut state = self.state();
        state.inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
        state.over |= state.inboxes.is_empty();
        drop(state);
        self.stop.wake();
    }

    /// Hands the messages out for as long as there are subscribers. They hear of it if this future is dropped or panics.
    pub(super) fn run(
        self: Arc<Self>,
        open: impl Future<Output = Result<Live>>,
        check: Option<Check>,
    ) -> impl Future<Output = ()> {
        let mut end = End { feed: self, error: Some(ended()) };
        async move {
            let error = {
                let left = poll_fn(|context| {
                    end.feed.stop.register(context.waker());
                    if end.feed.state().over { Poll::Ready(()) } else { Poll::Pending }
                });
                let handed_out = std::pin::pin!(end.feed.hand_out(open, check));
                match select(std::pin::pin!(left), handed_out).await {
                    Either::Left(_) => None,
                    Either::Right((error, _)) => Some(error),
                }
            };
            end.because(error);
        }
    }

    async fn hand_out(
        &self,
        open: impl Future<Output = Result<Live>>,
        check: Option<Check>,
    ) -> Error {
        let mut live = match open.await {
            Ok(live) => live,
            Err(error) => return error,
        };
        self.connected();
        // The last event that all have heard of.
        let mut last = None;
        let mut pause = Check::pause(check.as_ref());
        loop {
            let event = match select(live.next(), &mut pause).await {
                Either::Left((Some(event), _)) => event,
                Either::Left((None, _)) => return ended(),
                Either::Right(_) => {
                    if let Some(check) = &check
                        && let Some(head) = (check.head)().await
                        && last.as_ref() != Some(&head)
                    {
                        last = Some(head);
                        self.tell();
                    }
                    pause = Check::pause(check.as_ref());
                    continue;
                }
            };
            if matches!(event, Ok(Event::Lost(_))) {
                self.state().connected = false;
            }
            match signal(event) {
                Some(Signal::Connected) => self.connected(),
                Some(Signal::Frame(frame)) => {
                    if let Some(position) = frame.position {
                        last = Some((position, frame.id.text.clone()));
                        pause = Check::pause(check.as_ref());
                    }
                    let state = self.state();
                    for inbox in &state.inboxes {
                        inbox.push(Signal::Frame(frame.clone()));
                    }
                }
                Some(Signal::Ended(error)) => return error,
                Some(Signal::Overflow) | None => {}
            }
        }
    }

    fn connected(&self) {
        self.state().connected = true;
        self.tell();
    }

    /// Lets all look at the history.
    fn tell(&self) {
        self.state().inboxes.iter().for_each(|inbox| inbox.push(Signal::Connected));
    }
}

/// Tells the subscribers that nothing more will come, also if the task is dropped with its runtime.
struct End {
    feed: Arc<Feed>,
    error: Option<Error>,
}

impl End {
    fn because(&mut self, error: Option<Error>) {
        self.error = error;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.feed.state();
        state.over = true;
        let error = self.error.take().unwrap_or_else(ended);
        state.inboxes.drain(..).for_each(|inbox| inbox.push(Signal::Ended(error.clone())));
    }
}

/// How a feed finds out that a message was lost while its connection stayed.
pub(super) struct Check {
    pub(super) every: Duration,
    /// Asks for the position of the last event and its id. `None` for an error: the next check may have an answer.
    pub(super) head: Box<dyn Fn() -> BoxFuture<'static, Option<Head>> + Send + Sync>,
}

/// The position of the last event, and its id.
pub(super) type Head = (Position, String);

impl Check {
    fn pause(check: Option<&Self>) -> BoxFuture<'static, ()> {
        match check {
            Some(check) => boxed(|| platform::sleep_idly(check.every)),
            None => boxed(std::future::pending),
        }
    }
}

/// What an event of the client's subscriber means.
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
            assert!(!inbox.drop_kept(), "the subscriber has heard of it");
            assert!(inbox.waiting().signals.is_empty());
        }
    }

    #[tokio::test]
    async fn a_feed_whose_task_is_dropped_says_so() {
        let (feed, inbox) = (Arc::new(Feed::default()), Inbox::new(2));
        assert!(feed.join(&inbox));
        drop(Arc::clone(&feed).run(std::future::pending(), None));
        assert!(matches!(inbox.next().await, Signal::Ended(error) if error.is_transient()));
        assert!(!feed.join(&inbox), "another subscriber begins anew");
    }
}
