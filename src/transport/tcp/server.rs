use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use tokio::sync::OnceCell;

use super::convert::error_from;
use crate::Result;

/// One server, by one connection that comes back by itself.
pub(super) struct Server {
    pub(super) client: redis::Client,
    config: ConnectionManagerConfig,
    /// Made inside the runtime that sends the first command.
    manager: OnceCell<ConnectionManager>,
}

impl Server {
    pub(super) fn new(client: redis::Client, connect_timeout: Duration) -> Self {
        // A call fails when the connection does; the next call tries again. Deadlines are a layer's business.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(None);
        Self { client, config, manager: OnceCell::new() }
    }

    pub(super) async fn connection(&self) -> Result<ConnectionManager> {
        let connect = || async {
            ConnectionManager::new_lazy_with_config(self.client.clone(), self.config.clone())
        };
        self.manager.get_or_try_init(connect).await.cloned().map_err(error_from)
    }
}

/// A connection for one command that waits: it would hold up everybody else on a shared one.
pub(super) async fn own_connection(
    client: &redis::Client,
    connect_timeout: Duration,
) -> Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(connect_timeout))
        .set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(error_from)
}
