//! The subscription of a process to a topic, which all of its subscribers share.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{BoxStream, StreamExt};
use futures_util::task::AtomicWaker;

use super::inbox::{Inbox, Signal, ended, signal};
use super::position::Position;
use crate::client::Event;
use crate::platform::{self, BoxFuture, boxed};
use crate::{Error, Result};

/// Messages of a channel, and the losses and resumptions of the connection.
pub(super) type Live = BoxStream<'static, Result<Event>>;

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

    /// Distributes the messages for as long as there are subscribers. If this future is dropped or panics, they get [`Signal::Ended`].
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
            end.set_error(error);
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
        // The last event that all subscribers know.
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
                        self.notify_all();
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
        self.notify_all();
    }

    /// Makes all subscribers read the history.
    fn notify_all(&self) {
        self.state().inboxes.iter().for_each(|inbox| inbox.push(Signal::Connected));
    }
}

/// Sends [`Signal::Ended`] to the subscribers when it is dropped, also if the task is dropped with its runtime.
struct End {
    feed: Arc<Feed>,
    error: Option<Error>,
}

impl End {
    fn set_error(&mut self, error: Option<Error>) {
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

/// The check that detects messages that were lost while the connection stayed.
pub(super) struct Check {
    pub(super) every: Duration,
    /// Reads the position and the id of the last event. `None` after an error: the next check tries again.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_feed_whose_task_is_dropped_ends_its_subscribers() {
        let (feed, inbox) = (Arc::new(Feed::default()), Inbox::new(2));
        assert!(feed.join(&inbox));
        drop(Arc::clone(&feed).run(std::future::pending(), None));
        assert!(matches!(inbox.next().await, Signal::Ended(error) if error.is_transient()));
        assert!(!feed.join(&inbox), "another subscriber needs a new feed");
    }
}
