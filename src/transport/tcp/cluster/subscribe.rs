//! Subscriptions in a cluster: every server gets the messages that are published to a channel at any of them. Messages of a shard channel
//! stay with the servers of its slot.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{select, select_ok, try_join_all};
use futures_util::stream::{StreamExt, once, select_all};

use super::super::subscribe::subscribe_at;
use super::node::Node;
use super::topology::Topology;
use crate::key::slot_of;
use crate::platform::boxed;
use crate::transport::{Messages, Subscription};
use crate::{Error, ErrorKind, Result};

/// How many servers are tried side by side.
const TRIED: usize = 3;
/// How often the cluster is asked whether the server still belongs to it.
const RECHECK: Duration = Duration::from_secs(5);

/// How often the owners of shard channels are looked for.
const ATTEMPTS: u32 = 8;
/// How long to wait before the next of these attempts.
const SLOT_IS_MOVING: Duration = Duration::from_millis(20);

pub(super) async fn subscribe(topology: &Arc<Topology>, to: &Subscription) -> Result<Messages> {
    if let Subscription::ShardChannels(names) = to {
        return subscribe_to_shards(topology, names).await;
    }
    let slots = topology.known_slots().await?;
    let mut nodes: Vec<Arc<Node>> = slots.members().map(|member| member.node.clone()).collect();
    fastrand::shuffle(&mut nodes);
    loop {
        let last = nodes.len().saturating_sub(TRIED);
        let tried = nodes.split_off(last);
        let attempts = tried.iter().map(|node| {
            boxed(|| async {
                let messages = subscribe_at(&topology.dialer, &node.endpoint, to).await?;
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

/// Subscribes at the owners of the channels' slots. The stream ends when one of these subscriptions does.
async fn subscribe_to_shards(topology: &Arc<Topology>, names: &[Bytes]) -> Result<Messages> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let slots = topology.known_slots().await?;
        let mut owners: Vec<(Arc<Node>, Vec<Bytes>)> = Vec::new();
        for name in names {
            let owner = slots.owner(slot_of(name)).ok_or_else(|| {
                topology.refresh_if_older(Duration::ZERO);
                Error::new(ErrorKind::Connect, "no server of the cluster serves this shard channel")
            })?;
            match owners.iter_mut().find(|(node, _)| Arc::ptr_eq(node, owner)) {
                Some((_, names)) => names.push(name.clone()),
                None => owners.push((Arc::clone(owner), vec![name.clone()])),
            }
        }
        let subscribed = owners.into_iter().map(async |(node, names)| {
            let to = Subscription::ShardChannels(names);
            let messages = subscribe_at(&topology.dialer, &node.endpoint, &to).await?;
            Ok::<_, Error>(until_it_leaves(topology, node, messages))
        });
        match try_join_all(subscribed).await {
            Ok(all) => return Ok(select_all(all).boxed()),
            Err(error) => {
                topology.refresh_if_older(SLOT_IS_MOVING);
                if error.code() != Some("MOVED") || attempts == ATTEMPTS {
                    return Err(error);
                }
                tokio::time::sleep(SLOT_IS_MOVING).await;
                topology.refresh().await?;
            }
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
