//! Opens connections: socket, TLS and handshake.

use std::time::Duration;

use tokio_rustls::TlsConnector;

use super::connection::{Connection, Health};
use super::endpoint::Endpoint;
use super::handshake::handshake;
use super::link::Link;
use super::socket;
use crate::{Error, ErrorKind, Result};

/// Opens connections, all with the same settings.
pub(super) struct Dialer {
    pub(super) tls: Option<TlsConnector>,
    pub(super) connect_timeout: Duration,
    pub(super) keepalive: Duration,
    pub(super) hung_after: Duration,
    pub(super) verify_after: Duration,
    pub(super) max_reply_bytes: usize,
}

impl Dialer {
    /// A connection for commands.
    pub(super) async fn connect(&self, endpoint: &Endpoint) -> Result<Connection> {
        let link = self.open(endpoint).await?;
        Ok(Connection::new(link, Health::new(self.hung_after, self.verify_after)))
    }

    /// An open stream after its handshake.
    pub(super) async fn open(&self, endpoint: &Endpoint) -> Result<Link> {
        self.in_time(async {
            let socket = socket::open(&endpoint.address, self.tls.as_ref(), self.keepalive).await?;
            let mut link = Link::new(socket, self.max_reply_bytes);
            handshake(&mut link, endpoint).await?;
            Ok(link)
        })
        .await
    }

    /// Ends a step that takes longer than connecting may take.
    pub(super) async fn in_time<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(self.connect_timeout, step).await.unwrap_or_else(|_| {
            let message = format!("no connection to Redis within {:?}", self.connect_timeout);
            Err(Error::new(ErrorKind::Connect, message))
        })
    }
}
