//! Which node has a slot.

use std::collections::BTreeMap;

use edgecask::FromValue;

use super::peer::Peer;
use super::{ReplicatedCluster, SLOTS};

impl ReplicatedCluster {
    /// The slot of a key.
    ///
    /// # Panics
    /// If no node answers.
    pub async fn slot(&self, key: &str) -> u16 {
        let node = &self.nodes[self.up()[0]];
        node.ask(&["CLUSTER", "KEYSLOT", key]).await.expect("a node answers")
    }

    /// Which node has each slot, by the node that is up first.
    ///
    /// # Panics
    /// If that node does not answer.
    pub async fn owners(&self) -> Vec<Option<usize>> {
        let peers = self.nodes[self.up()[0]].peers().await.expect("a node answers");
        self.owners_by(&peers)
    }

    pub(super) fn owners_by(&self, peers: &[Peer]) -> Vec<Option<usize>> {
        let mut owners = vec![None; usize::from(SLOTS)];
        for peer in peers {
            let number = self.nodes.iter().position(|node| node.port == peer.port);
            for &(first, last) in &peer.slots {
                owners[usize::from(first)..=usize::from(last)].fill(number);
            }
        }
        owners
    }

    /// The node that has the slot of this key.
    ///
    /// # Panics
    /// If there is none.
    pub async fn owner(&self, key: &str) -> usize {
        let slot = usize::from(self.slot(key).await);
        self.owners().await[slot].expect("the slot has a node")
    }

    /// The first so many of the keys `{prefix}0`, `{prefix}1`, … whose slots this node has.
    ///
    /// # Panics
    /// If the node does not answer or has too few slots.
    pub async fn keys_on(&self, number: usize, prefix: &str, count: usize) -> Vec<String> {
        let owners = self.owners().await;
        let keys: Vec<String> = (0..count * 30).map(|at| format!("{prefix}{at}")).collect();
        let question = |key: &String| vec!["CLUSTER".to_owned(), "KEYSLOT".to_owned(), key.clone()];
        let questions: Vec<_> = keys.iter().map(question).collect();
        let slots = self.nodes[self.up()[0]].ask_all(&questions).await.expect("a node answers");
        let here = keys.into_iter().zip(slots).filter(|(_, slot)| {
            let slot = slot.clone().ok().and_then(|slot| usize::from_value(slot).ok());
            slot.is_some_and(|slot| owners[slot] == Some(number))
        });
        let here: Vec<String> = here.map(|(key, _)| key).take(count).collect();
        assert_eq!(here.len(), count, "the node has too few slots");
        here
    }

    /// The primaries that have slots, and the replicas of each, by the node that is up first.
    ///
    /// # Panics
    /// If that node does not answer.
    pub async fn shards(&self) -> BTreeMap<usize, Vec<usize>> {
        let peers = self.nodes[self.up()[0]].peers().await.expect("a node answers");
        let number = |port| self.nodes.iter().position(|node| node.port == port);
        let mut shards = BTreeMap::new();
        for primary in peers.iter().filter(|peer| !peer.slots.is_empty()) {
            let replicas = peers.iter().filter(|peer| peer.primary.as_ref() == Some(&primary.id));
            let replicas = replicas.filter_map(|peer| number(peer.port)).collect();
            if let Some(at) = number(primary.port) {
                shards.insert(at, replicas);
            }
        }
        shards
    }

    /// The slots of a node.
    ///
    /// # Panics
    /// If no node answers.
    pub async fn slots_of(&self, number: usize) -> Vec<u16> {
        let owners = self.owners().await;
        (0..SLOTS).filter(|&slot| owners[usize::from(slot)] == Some(number)).collect()
    }
}
