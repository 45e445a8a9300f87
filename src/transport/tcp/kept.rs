use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;

use super::convert::error_from;
use crate::{Error, ErrorKind, Result};

/// One shared connection, made when it is first needed and again after it was lost.
#[derive(Default)]
pub(super) struct Kept {
    current: RwLock<Option<Numbered>>,
    /// The number of the next connection; held by who makes it.
    connecting: Mutex<u64>,
}

struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

/// The connection, for one call.
pub(super) struct Held<'a> {
    pub(super) connection: MultiplexedConnection,
    number: u64,
    kept: &'a Kept,
}

impl Held<'_> {
    /// The result of the call. It fails when the connection does; the next call connects again.
    pub(super) fn settle<T>(&self, result: redis::RedisResult<T>) -> Result<T> {
        if let Err(error) = &result
            && (error.is_unrecoverable_error() || error.code() == Some("READONLY"))
        {
            let mut current = self.kept.current.write().unwrap_or_else(PoisonError::into_inner);
            current.take_if(|current| current.number == self.number);
        }
        result.map_err(error_from)
    }
}

impl Kept {
    /// The connection, if there is one.
    pub(super) fn current(&self) -> Option<Held<'_>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let Numbered { number, connection } = current.as_ref()?;
        Some(Held { connection: connection.clone(), number: *number, kept: self })
    }

    /// Lets the next call connect again.
    pub(super) fn forget(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A new connection, unless somebody else makes one meanwhile.
    pub(super) async fn connect(
        &self,
        connect: impl AsyncFnOnce() -> Result<MultiplexedConnection>,
    ) -> Result<Held<'_>> {
        let mut number = self.connecting.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        *number += 1;
        let (number, connection) = (*number, connect().await?);
        let new = Numbered { number, connection: connection.clone() };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(new);
        Ok(Held { connection, number, kept: self })
    }
}

/// A new connection to one server.
pub(super) async fn connect(
    client: &redis::Client,
    connect_timeout: Duration,
) -> Result<MultiplexedConnection> {
    // Deadlines are a layer's business.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| {
        let error = error_from(error);
        match error.kind() {
            // The command itself has not left.
            ErrorKind::Timeout | ErrorKind::Disconnected => {
                Error::new(ErrorKind::Connect, "no connection to Redis").with_source(error)
            }
            _ => error,
        }
    })
}
