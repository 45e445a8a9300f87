use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::SentinelClient;
use tokio::sync::Mutex;

use super::kept::{self, Kept};
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

    /// Makes a call to the primary.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFnOnce(MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T> {
        if self.suspect.swap(false, Ordering::Relaxed) {
            self.kept.forget();
        }
        let mut given_up = SuspectOnDrop { suspect: &self.suspect, armed: true };
        let connect = async || kept::connect(&self.primary().await?, self.connect_timeout).await;
        let result = self.kept.call(connect, call).await;
        given_up.armed = false;
        result
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

struct SuspectOnDrop<'a> {
    suspect: &'a AtomicBool,
    armed: bool,
}

impl Drop for SuspectOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }
}
