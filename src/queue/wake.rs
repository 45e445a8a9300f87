//! Wakes a worker when a task becomes ready.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::join;

use super::Source;
use super::state::State;
use crate::client::Event;
use crate::command::lists::{End, ListCommands};
use crate::platform::{self, Notify};

/// How long to poll before the next attempt, after a subscription was refused. It doubles with each refusal.
const PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(16 * 60);
/// How long one blocking command waits for an element.
const BLOCKED: Duration = Duration::from_secs(60);

/// The wake-ups of one worker.
#[derive(Debug, Default)]
pub(super) struct WakeUps {
    /// A task may be ready.
    pub(super) ready: Notify,
    /// The worker is idle, and the [list](Source::List) of its queue is empty.
    pub(super) source_empty: Notify,
    subscribed: AtomicBool,
}

impl WakeUps {
    /// Whether each task of the queue that becomes ready wakes the worker. Elements of a [`Source`] do not.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscribed.load(Ordering::Relaxed)
    }

    /// Notifies the worker when a task may be ready. It does not return.
    pub(super) async fn listen(&self, state: &State) {
        let (channel, list) = (pin!(self.watch_channel(state)), pin!(self.watch_list(state)));
        join(channel, list).await;
    }

    /// Notifies the worker of each message on the queue's channel. The scripts publish there.
    async fn watch_channel(&self, state: &State) {
        // A request of a Worker must not wait for messages that another one receives.
        if !state.client.capabilities().subscriptions || !platform::shares_futures() {
            return std::future::pending().await;
        }
        let mut pause = PAUSE;
        loop {
            match state.client.subscribe([state.keys.channel.clone()]).await {
                Ok(mut events) => {
                    self.subscribed.store(true, Ordering::Relaxed);
                    // Earlier messages were missed.
                    self.ready.notify();
                    while let Some(Ok(event)) = events.next().await {
                        if matches!(event, Event::Message(_) | Event::Resumed) {
                            self.ready.notify();
                        }
                    }
                    self.subscribed.store(false, Ordering::Relaxed);
                    pause = PAUSE;
                    platform::sleep_idly(pause).await;
                }
                Err(error) => {
                    tracing::debug!(queue = state.keys.name, %error, "a worker is not woken, it polls");
                    platform::sleep_idly(pause).await;
                    pause = LONGEST_PAUSE.min(pause * 2);
                }
            }
        }
    }

    /// Notifies the worker when another program has added to an empty list.
    async fn watch_list(&self, state: &State) {
        let Some(Source::List(list)) = &state.source else { return };
        if !state.client.capabilities().blocking || !platform::shares_futures() {
            return;
        }
        loop {
            self.source_empty.notified().await;
            // The element stays where it is.
            let (from, to) = (End::Right, End::Right);
            match state.client.blmove::<Bytes>(list, list, from, to, Some(BLOCKED)).await {
                Ok(Some(_)) => self.ready.notify(),
                Ok(None) => self.source_empty.notify(),
                Err(error) => {
                    tracing::debug!(queue = state.keys.name, %error, "a worker is not woken, it polls");
                    platform::sleep_idly(PAUSE).await;
                }
            }
        }
    }
}
