//! Wakes a worker when a queue that was empty has a task.

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
use crate::platform::{self, Bell};

/// How long to poll before the next attempt, after a subscription was refused.
const PAUSE: Duration = Duration::from_secs(60);
/// How long one command waits for an element.
const BLOCKED: Duration = Duration::from_secs(60);

/// What a worker hears.
#[derive(Debug, Default)]
pub(super) struct Ears {
    pub(super) bell: Bell,
    /// The worker has nothing to do, and the list that other programs write is empty.
    pub(super) idle: Bell,
    listening: AtomicBool,
}

impl Ears {
    /// Whether every task that becomes ready is heard of.
    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    /// Rings the bell when there may be a task.
    pub(super) async fn listen(&self, state: &State) {
        let (published, pushed) = (pin!(self.published(state)), pin!(self.pushed(state)));
        join(published, pushed).await;
    }

    /// Rings it whenever the scripts publish to the queue's channel.
    async fn published(&self, state: &State) {
        // A request of a Worker must not wait for messages that another one receives.
        if !state.client.capabilities().subscriptions || !platform::shares_futures() {
            return std::future::pending().await;
        }
        loop {
            match state.client.subscribe([state.keys.channel.clone()]).await {
                Ok(mut events) => {
                    self.listening.store(true, Ordering::Relaxed);
                    // What was published until now was missed.
                    self.bell.ring();
                    while let Some(Ok(event)) = events.next().await {
                        if matches!(event, Event::Message(_) | Event::Resumed) {
                            self.bell.ring();
                        }
                    }
                    self.listening.store(false, Ordering::Relaxed);
                }
                Err(error) => {
                    tracing::debug!(queue = state.keys.name, %error, "a worker is not woken, it polls");
                }
            }
            platform::sleep_idly(PAUSE).await;
        }
    }

    /// Rings it when another program has added to an empty list.
    async fn pushed(&self, state: &State) {
        let Some(Source::List(list)) = &state.source else { return };
        if !state.client.capabilities().blocking || !platform::shares_futures() {
            return;
        }
        loop {
            self.idle.heard().await;
            // The element stays where it is.
            let (from, to) = (End::Right, End::Right);
            match state.client.blmove::<Bytes>(list, list, from, to, Some(BLOCKED)).await {
                Ok(Some(_)) => self.bell.ring(),
                Ok(None) => self.idle.ring(),
                Err(error) => {
                    tracing::debug!(queue = state.keys.name, %error, "a worker is not woken, it polls");
                    platform::sleep_idly(PAUSE).await;
                }
            }
        }
    }
}
