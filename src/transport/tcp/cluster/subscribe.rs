//! Subscriptions in a cluster: every server hands on what is published at any of them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{select, select_ok};
use futures_util::stream::{StreamExt, once};

use super::super::subscribe::subscribe_at;
use super::node::Node;
use super::topology::Topology;
use crate::platform::boxed;
use crate::transport::{Messages, Subscription};
use crate::{Error, ErrorKind, Result};

/// How many servers are tried side by side.
const TRIED: usize = 3;
/// How often the cluster is asked whether the server still belongs to it.
const RECHECK: Duration = Duration::from_secs(5);

pub(super) async fn subscribe(topology: &Arc<Topology>, to: &Subscription) -> Result<Messages> {
    let slots = topology.known_slots().await?;
    let mut nodes: Vec<Arc<Node>> = slots.members().map(|member| member.node.clone()).collect();
    fastrand::shuffle(&mut nodes);
    loop {
        let last = nodes.len().saturating_sub(TRIED);
        let tried = nodes.split_off(last);
        let attempts = tried.iter().map(|node| {
            boxed(|| async {
                let messages = subscribe_at(&topology.dialer, &node.info, to).await?;
                Ok::<_, Error>((Arc::clone(node), messages))
            })
        });
        if tried.is_empty() {
            let message = "no server of the cluster is reached";
            return Err(Error::new(ErrorKind::Connect, message));
        }
        match select_ok(attempts).await {
            Ok(((node, messages), _)) => return Ok(until_it_leaves(topology, node, messages)),
            Err(error) if nodes.is_empty() => {
                topology.refresh_if_older(Duration::ZERO);
                return Err(error);
            }
            Err(_) => {}
        }
    }
}

/// The messages, until the server leaves the cluster, because it gets no messages of the others then.
fn until_it_leaves(topology: &Arc<Topology>, node: Arc<Node>, messages: Messages) -> Messages {
    let left = boxed(|| {
        let topology = Arc::clone(topology);
        async move {
            let mut changes = topology.changes();
            while topology.slots().members().any(|member| member.node.address == node.address) {
                let changed = std::pin::pin!(changes.changed());
                select(changed, std::pin::pin!(tokio::time::sleep(RECHECK))).await;
                topology.refresh_if_older(RECHECK);
            }
        }
    });
    let end = once(std::future::ready(Err(Error::new(
        ErrorKind::Disconnected,
        "the subscription broke off, or its server has left the cluster",
    ))));
    messages.take_until(left).chain(end).boxed()
}
