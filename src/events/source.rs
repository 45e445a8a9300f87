//! The source of a subscription's signals: a feed that the process shares, a subscription of its own, or a timer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::StreamExt;

use super::feed::{Feed, Live};
use super::inbox::{Inbox, Signal, ended, signal};
use crate::platform;

pub(super) enum Source {
    Shared(Shared),
    /// In a Worker, where a request must not wait for messages that another request receives.
    Own {
        live: Live,
        begun: bool,
        /// The time without a message after which the history is read.
        check: Option<Duration>,
    },
    Poll(Poll),
}

/// A subscriber's membership of a feed.
pub(super) struct Shared {
    pub(super) feed: Arc<Feed>,
    pub(super) inbox: Arc<Inbox>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.feed.leave(&self.inbox);
    }
}

/// The pauses between reads of a subscriber that polls.
pub(super) struct Poll {
    shortest: Duration,
    longest: Duration,
    pause: Duration,
}

impl Poll {
    pub(super) fn new((shortest, longest): (Duration, Duration)) -> Self {
        Self { shortest, longest, pause: Duration::ZERO }
    }

    /// The pause before the next read.
    fn next(&mut self, random: f64) -> Duration {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).clamp(self.shortest, self.longest);
        pause.mul_f64(1.0 + 0.2 * random)
    }
}

impl Source {
    pub(super) async fn next(&mut self) -> Signal {
        match self {
            Self::Shared(shared) => shared.inbox.next().await,
            Self::Own { begun, .. } if !*begun => {
                *begun = true;
                Signal::Connected
            }
            Self::Own { live, check, .. } => loop {
                let event = match check {
                    Some(every) => match select(live.next(), platform::sleep_idly(*every)).await {
                        Either::Left((event, _)) => event,
                        Either::Right(_) => return Signal::Connected,
                    },
                    None => live.next().await,
                };
                let Some(event) = event else { return Signal::Ended(ended()) };
                if let Some(signal) = signal(event) {
                    return signal;
                }
            },
            Self::Poll(poll) => {
                platform::sleep(poll.next(platform::random_fraction())).await;
                Signal::Connected
            }
        }
    }

    /// Resets the pause, because a read found events.
    pub(super) fn found(&mut self) {
        if let Self::Poll(poll) = self {
            poll.pause = poll.shortest;
        }
    }

    /// Drops the frames so far, because they will be read from the history. Returns whether frames had been dropped before.
    pub(super) fn drop_kept(&self) -> bool {
        matches!(self, Self::Shared(shared) if shared.inbox.drop_kept())
    }

    /// The inbox of the subscriber, if it has one.
    pub(super) fn inbox(&self) -> Option<Arc<Inbox>> {
        match self {
            Self::Shared(shared) => Some(Arc::clone(&shared.inbox)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_poller_asks_twice_a_minute_at_most() {
        let mut poll = Poll::new((Duration::from_secs(1), Duration::from_secs(30)));
        let pauses: Vec<u64> = (0..8).map(|_| poll.next(0.0).as_secs()).collect();
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(poll.next(1.0).as_secs(), 36);
    }
}
