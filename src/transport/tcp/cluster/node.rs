use super::super::endpoint::Endpoint;
use super::super::pool::{Pool, PoolSize};
use super::super::shared_connection::SharedConnection;

/// A server of the cluster, with the connections to it. They stay as long as the cluster names its address.
pub(super) struct Node {
    pub(super) address: Address,
    pub(super) endpoint: Endpoint,
    /// The connection that all calls share.
    pub(super) shared: SharedConnection,
    /// The connections of commands that wait.
    pub(super) waiting: Pool,
}

impl Node {
    pub(super) fn new(address: Address, endpoint: Endpoint, waiting: PoolSize) -> Self {
        let waiting = Pool::new(waiting);
        Self { address, endpoint, shared: SharedConnection::default(), waiting }
    }
}

/// The host and the port of a server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}
