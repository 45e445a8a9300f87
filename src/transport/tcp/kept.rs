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

#[derive(Clone)]
struct Numbered {
    number: u64,
    connection: MultiplexedConnection,
}

impl Kept {
    /// Makes a call on the connection. A call fails when the connection does; the next one connects again.
    pub(super) async fn call<T>(
        &self,
        connect: impl AsyncFnOnce() -> Result<MultiplexedConnection>,
        call: impl AsyncFnOnce(MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T> {
        let Numbered { number, connection } = match self.current() {
            Some(current) => current,
            // Rare and large: in a box it does not weigh on every call.
            None => Box::pin(self.connect(connect)).await?,
        };
        let result = call(connection).await;
        if let Err(error) = &result
            && (error.is_unrecoverable_error() || error.code() == Some("READONLY"))
        {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            current.take_if(|current| current.number == number);
        }
        result.map_err(error_from)
    }

    /// Lets the next call connect again.
    pub(super) fn forget(&self) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn current(&self) -> Option<Numbered> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(
        &self,
        connect: impl AsyncFnOnce() -> Result<MultiplexedConnection>,
    ) -> Result<Numbered> {
        let mut number = self.connecting.lock().await;
        // Somebody else may have connected while this one waited.
        if let Some(current) = self.current() {
            return Ok(current);
        }
        *number += 1;
        let new = Numbered { number: *number, connection: connect().await? };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(new.clone());
        Ok(new)
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
