//! Wakes the waiters of this process. A script that frees a lock publishes the token of the next waiter to the channel of its
//! process; so a process has one subscription for all of its locks, and hears of its own waiters only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};

use crate::client::{Client, Event};
use crate::platform::{self, Instant, Notify};

/// How long a subscription without waiters is kept.
const IDLE: Duration = Duration::from_secs(10);
/// How long to poll before the next attempt, after a subscription was refused.
const PAUSE: Duration = Duration::from_secs(60);

/// The waiters of this process, and the subscription that wakes them.
pub(super) struct Wake {
    client: Client,
    channel: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiters: HashMap<String, Arc<Notify>>,
    listening: bool,
    refused_at: Option<Instant>,
}

impl Wake {
    /// `instance` is a part of each token of this process.
    pub(super) fn new(client: Client, instance: &str) -> Arc<Self> {
        let channel = format!("edgecask:unlocked:{instance}");
        Arc::new(Self { client, channel, state: Mutex::default() })
    }

    /// A place for the waiter with this token.
    pub(super) fn waiter(self: &Arc<Self>, token: &str) -> Waiter {
        let notify = Arc::new(Notify::default());
        self.state().waiters.insert(token.to_owned(), Arc::clone(&notify));
        Waiter { wake: Arc::clone(self), token: token.to_owned(), notify }
    }

    /// Starts the subscription, if there is none and the transport has them. Returns whether waiters are woken.
    fn listen(self: &Arc<Self>) -> bool {
        // A request of a Worker must not wait for messages that another one receives.
        if !self.client.capabilities().subscriptions || !platform::shares_futures() {
            return false;
        }
        let mut state = self.state();
        if state.listening {
            return true;
        }
        if state.refused_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return false;
        }
        state.listening = true;
        drop(state);
        let listening = Listening { wake: Arc::downgrade(self), is_refused: true };
        let (client, channel) = (self.client.clone(), self.channel.clone());
        platform::spawn(platform::send(|| listen(listening, client, channel)));
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify_all(&self) {
        self.state().waiters.values().for_each(|waiter| waiter.notify());
    }
}

/// The task that listens. It may be dropped before its end, or before it begins, with its runtime.
struct Listening {
    wake: Weak<Wake>,
    /// Whether there is no subscription, or it ended with an error.
    is_refused: bool,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(wake) = self.wake.upgrade() {
            let mut state = wake.state();
            state.listening = false;
            state.refused_at = self.is_refused.then(Instant::now);
            drop(state);
            // They are not woken any more: each asks again, and then listens or polls.
            wake.notify_all();
        }
    }
}

/// Wakes the waiters until there has been none for a while.
async fn listen(mut listening: Listening, client: Client, channel: String) {
    let mut events = match client.subscribe([channel]).await {
        Ok(events) => events,
        Err(error) => {
            tracing::debug!(%error, "waiters of locks are not woken, they poll");
            return;
        }
    };
    listening.is_refused = false;
    let wake = Weak::clone(&listening.wake);
    // Waiters that began earlier have missed the messages that were published until now.
    if let Some(wake) = wake.upgrade() {
        wake.notify_all();
    }
    loop {
        let event = match select(events.next(), platform::sleep_idly(IDLE)).await {
            Either::Left((event, _)) => event,
            Either::Right(_) => {
                let Some(wake) = wake.upgrade() else { return };
                let is_idle = wake.state().waiters.is_empty();
                if is_idle {
                    return;
                }
                continue;
            }
        };
        let Some(wake) = wake.upgrade() else { return };
        match event {
            Some(Ok(Event::Message(message))) => {
                let token = String::from_utf8_lossy(&message.payload);
                if let Some(waiter) = wake.state().waiters.get(&*token) {
                    waiter.notify();
                }
            }
            Some(Ok(Event::Resumed)) => wake.notify_all(),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => {
                listening.is_refused = true;
                return;
            }
        }
    }
}

/// A caller that may have to wait.
pub(super) struct Waiter {
    wake: Arc<Wake>,
    token: String,
    notify: Arc<Notify>,
}

impl Waiter {
    /// Whether waiters are woken. It starts the subscription.
    pub(super) fn is_woken(&self) -> bool {
        self.wake.listen()
    }

    /// Returns when the waiter is woken, or after this time.
    pub(super) async fn heard_or(&self, pause: Duration) {
        let (notified, slept) = (std::pin::pin!(self.notify.notified()), platform::sleep(pause));
        select(notified, slept).await;
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.wake.state().waiters.remove(&self.token);
    }
}
