//! Which server it is, and how it is reached.

use redis::ConnectionInfo;

use crate::Result;
use crate::transport::tcp::dial::{Connection, Dialer};
use crate::transport::tcp::sentinel::Sentinels;

/// A server, or those that name it.
pub(in crate::transport::tcp) enum Target {
    Server(ConnectionInfo),
    Sentinels(Sentinels),
}

impl Target {
    pub(super) async fn connect(&self, dialer: &Dialer) -> Result<Connection> {
        match self {
            Self::Server(info) => dialer.connect(info).await,
            Self::Sentinels(sentinels) => {
                let connected = sentinels.connect(dialer, &sentinels.primary);
                Ok(dialer.in_time(connected).await?.1)
            }
        }
    }

    /// A connection that a busy server accepts too. Such a server refuses SELECT, so the database is left out.
    pub(super) async fn connect_when_busy(&self, dialer: &Dialer) -> Result<Connection> {
        let without_database = |info: &ConnectionInfo| {
            info.clone().set_redis_settings(info.redis_settings().clone().set_db(0))
        };
        match self {
            Self::Server(info) => dialer.connect(&without_database(info)).await,
            Self::Sentinels(sentinels) => {
                let primary = without_database(&sentinels.primary);
                Ok(dialer.in_time(sentinels.connect(dialer, &primary)).await?.1)
            }
        }
    }

    /// The address and settings of the current server.
    pub(super) async fn server(&self, dialer: &Dialer) -> Result<ConnectionInfo> {
        match self {
            Self::Server(info) => Ok(info.clone()),
            Self::Sentinels(sentinels) => {
                let connected = sentinels.connect(dialer, &sentinels.primary);
                Ok(dialer.in_time(connected).await?.0)
            }
        }
    }
}
