//! Connects to a server of the cluster. Another server may take over its slots in the meantime.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::super::shared_connection::ConnectionGuard;
use super::node::Node;
use super::slot_map::Role;
use super::topology::Topology;
use crate::transport::sending;
use crate::{Error, ErrorKind, Result};

/// How often the slots are asked for while a connection is being made.
const RECHECK: Duration = Duration::from_millis(250);

/// Why there is no connection. Nothing was sent.
pub(super) enum Unreached {
    /// The cluster does not name the server as a primary any more.
    Replaced,
    Failed(Error),
}

/// The connection to a server that all calls share.
pub(super) async fn shared_connection<'a>(
    topology: &Arc<Topology>,
    node: &'a Node,
) -> Result<ConnectionGuard<'a>, Unreached> {
    if let Some(guard) = node.shared.current() {
        sending::sent();
        return Ok(guard);
    }
    Box::pin(connected(
        topology,
        node,
        node.shared.connect(topology.dialer.connect_timeout, || topology.dial(node)),
    ))
    .await
}

/// The connection that this attempt makes. The attempt is given up when another server takes the place of this one.
pub(super) async fn connected<T>(
    topology: &Arc<Topology>,
    node: &Node,
    attempt: impl Future<Output = Result<T>>,
) -> Result<T, Unreached> {
    let mut replaced = false;
    let made = sending::unsent(async {
        let mut changes = topology.changes();
        let before = topology.slots().role(node);
        let is_replaced = || {
            let now = topology.slots().role(node);
            now != before && now != Role::Primary
        };
        let mut attempt = pin!(attempt);
        loop {
            let changed = pin!(changes.changed());
            let step = select(attempt.as_mut(), changed);
            match tokio::time::timeout(RECHECK, step).await {
                Ok(Either::Left((Ok(connection), _))) => return Ok(connection),
                Ok(Either::Left((Err(error), _))) => {
                    // The other servers may know of a replacement already.
                    let _ = topology.refresh().await;
                    replaced = is_replaced();
                    return Err(error);
                }
                Ok(Either::Right(_)) => {}
                Err(_) => topology.refresh_if_older(RECHECK),
            }
            if is_replaced() {
                replaced = true;
                return Err(Error::new(ErrorKind::Connect, "another server has taken its place"));
            }
        }
    });
    match made.await {
        Ok(connection) => Ok(connection),
        Err(_) if replaced => Err(Unreached::Replaced),
        Err(error) => Err(Unreached::Failed(error)),
    }
}
