use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::sentinel::SentinelClient;
use tokio::sync::Mutex;

use super::kept::{self, Held, Kept};
use crate::{Error, ErrorKind, Result};

/// The primary that some sentinels name. It is asked for again when the connection is lost, when a call was given up (by
/// a deadline), and when it turns out to be a primary no more.
pub(super) struct Sentinel {
    client: Mutex<SentinelClient>,
    connect_timeout: Duration,
    kept: Kept,
    /// A call was given up: the primary may stand still, with its connection open.
    suspect: AtomicBool,
}

impl Sentinel {
    pub(super) fn new(client: SentinelClient, connect_timeout: Duration) -> Self {
        Self {
            client: Mutex::new(client),
            connect_timeout,
            kept: Kept::default(),
            suspect: AtomicBool::new(false),
        }
    }

    /// The connection to the primary.
    pub(super) async fn hold(&self) -> Result<Held<'_>> {
        if self.suspect.swap(false, Ordering::Relaxed) {
            self.kept.forget();
        }
        if let Some(held) = self.kept.current() {
            return Ok(held);
        }
        let connect = async || kept::connect(&self.primary().await?, self.connect_timeout).await;
        Box::pin(self.kept.connect(connect)).await
    }

    /// Tells, unless it is disarmed, that a call was given up.
    pub(super) fn watch(&self) -> SuspectOnDrop<'_> {
        SuspectOnDrop { suspect: &self.suspect, armed: true }
    }

    /// The primary of this moment.
    pub(super) async fn primary(&self) -> Result<redis::Client> {
        self.client.lock().await.async_get_client().await.map_err(|error| {
            // Nothing was sent to the primary, whatever the sentinels said.
            Error::new(ErrorKind::Connect, "the sentinels name no primary that is reached")
                .with_source(error)
        })
    }
}

pub(super) struct SuspectOnDrop<'a> {
    suspect: &'a AtomicBool,
    armed: bool,
}

impl SuspectOnDrop<'_> {
    pub(super) fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for SuspectOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }
}
