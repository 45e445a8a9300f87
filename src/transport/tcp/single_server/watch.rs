//! The task that hears of a new primary from the sentinels.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::connections::Connections;
use super::target::Target;
use crate::transport::tcp::dial::Dialer;

#[derive(Default)]
pub(super) struct Watch(Mutex<Option<JoinHandle<()>>>);

impl Watch {
    /// Starts to listen to the sentinels, if there are some and nothing listens yet.
    pub(super) fn start(
        &self,
        target: &Arc<Target>,
        dialer: &Arc<Dialer>,
        connections: &Arc<Connections>,
    ) {
        if let Target::Sentinels(_) = &**target {
            let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The task of a runtime that has ended is finished too.
            if task.as_ref().is_none_or(JoinHandle::is_finished) {
                let listening =
                    listen(Arc::clone(target), Arc::clone(dialer), Arc::downgrade(connections));
                *task = Some(tokio::spawn(listening));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let task = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

/// Listens to one sentinel, or to another one when this one is lost, until the connections are dropped. A sentinel that hangs
/// keeps its subscription open, so it is asked from time to time.
async fn listen(target: Arc<Target>, dialer: Arc<Dialer>, connections: Weak<Connections>) {
    const SILENCE: Duration = Duration::from_secs(15);
    const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(15);
    let Target::Sentinels(sentinels) = &*target else { return };
    let leave = || {
        if let Some(connections) = connections.upgrade() {
            connections.leave();
        }
    };
    let mut pause = SHORTEST_PAUSE;
    for sentinel in sentinels.sentinels.iter().cycle() {
        if let Ok(mut messages) = sentinels.messages(&dialer, sentinel).await {
            pause = SHORTEST_PAUSE;
            // Changes before the subscription were not reported.
            sentinels.ask_again(&dialer, leave).await;
            match connections.upgrade() {
                Some(connections) => connections.check_role(&dialer).await,
                None => return,
            }
            loop {
                match tokio::time::timeout(SILENCE, messages.next()).await {
                    Ok(Some(Ok(message))) if sentinels.concerns(&message.payload) => {
                        sentinels.ask_again(&dialer, leave).await;
                        if sentinels.names_another(&message.payload) {
                            leave();
                        }
                    }
                    Ok(Some(Ok(_))) => {}
                    Ok(_) => break,
                    Err(_) => match sentinels.ask_one(&dialer, sentinel).await {
                        Ok(false) => {}
                        Ok(true) => leave(),
                        Err(_) => break,
                    },
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
