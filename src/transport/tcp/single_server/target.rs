//! The server that commands go to, and how it is reached.

use crate::Result;
use crate::transport::tcp::connection::Connection;
use crate::transport::tcp::dial::Dialer;
use crate::transport::tcp::endpoint::Endpoint;
use crate::transport::tcp::sentinel::Sentinels;

/// A server, or the sentinels that name it.
pub(in crate::transport::tcp) enum Target {
    Server(Endpoint),
    Sentinels(Sentinels),
}

impl Target {
    pub(super) async fn connect(&self, dialer: &Dialer) -> Result<Connection> {
        match self {
            Self::Server(endpoint) => dialer.connect(endpoint).await,
            Self::Sentinels(sentinels) => {
                let connected = sentinels.connect(dialer, &sentinels.primary);
                Ok(dialer.in_time(connected).await?.1)
            }
        }
    }

    /// A connection that a busy server accepts too. Such a server refuses SELECT, so the database is left out.
    pub(super) async fn connect_when_busy(&self, dialer: &Dialer) -> Result<Connection> {
        match self {
            Self::Server(endpoint) => dialer.connect(&endpoint.without_database()).await,
            Self::Sentinels(sentinels) => {
                let primary = sentinels.primary.without_database();
                Ok(dialer.in_time(sentinels.connect(dialer, &primary)).await?.1)
            }
        }
    }

    /// The current server, and how a connection to it is set up.
    pub(super) async fn server(&self, dialer: &Dialer) -> Result<Endpoint> {
        match self {
            Self::Server(endpoint) => Ok(endpoint.clone()),
            Self::Sentinels(sentinels) => {
                let connected = sentinels.connect(dialer, &sentinels.primary);
                Ok(dialer.in_time(connected).await?.0)
            }
        }
    }
}
