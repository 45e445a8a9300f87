use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::sentinel::SentinelClient;
use tokio::sync::Mutex;

use super::convert::error_from;
use super::server::own_connection;
use crate::{Error, Result};

/// The primary that some sentinels name. It is asked for again when the connection is lost, when a call was given up
/// (by a deadline), and when it turns out to be a primary no more.
pub(super) struct Sentinel {
    client: Mutex<SentinelClient>,
    connect_timeout: Duration,
    connection: Mutex<Option<MultiplexedConnection>>,
    /// A call was given up: the primary may stand still, with its connection open.
    suspect: AtomicBool,
}

impl Sentinel {
    pub(super) fn new(client: SentinelClient, connect_timeout: Duration) -> Self {
        Self {
            client: Mutex::new(client),
            connect_timeout,
            connection: Mutex::default(),
            suspect: AtomicBool::new(false),
        }
    }

    /// Makes a call to the primary.
    pub(super) async fn call<T>(
        &self,
        call: impl AsyncFnOnce(MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T> {
        let connection = self.connection().await?;
        let mut given_up = SuspectOnDrop { suspect: &self.suspect, armed: true };
        let result = call(connection).await;
        given_up.armed = false;
        if let Err(error) = &result
            && (error.is_unrecoverable_error() || error.code() == Some("READONLY"))
        {
            *self.connection.lock().await = None;
        }
        result.map_err(error_from)
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        let mut connection = self.connection.lock().await;
        if self.suspect.swap(false, Ordering::Relaxed) {
            *connection = None;
        }
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let new = own_connection(&self.primary().await?, self.connect_timeout).await?;
        Ok(connection.insert(new).clone())
    }

    /// The primary of this moment.
    pub(super) async fn primary(&self) -> Result<redis::Client> {
        self.client.lock().await.async_get_client().await.map_err(|error| {
            // Nothing was sent to the primary, whatever the sentinels said.
            Error::new(crate::ErrorKind::Connect, "the sentinels name no primary that is reached")
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
