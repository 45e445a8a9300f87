//! Do all nodes agree, and is each in sync?

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use edgecask::{FromValue, Value};

use super::peer::Peer;
use super::{LONGEST, LOOK, ReplicatedCluster};

impl ReplicatedCluster {
    /// Waits until the nodes that are up agree about the slots, each slot has a node that is up, and all replicas that are up
    /// are in sync.
    ///
    /// # Panics
    /// If this is not so after a minute.
    #[track_caller]
    pub fn healthy(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let start = tokio::time::Instant::now();
            while let Err(why) = self.check().await {
                assert!(start.elapsed() < LONGEST, "{caller}: the cluster is not healthy: {why}");
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    pub(super) async fn check(&self) -> Result<(), String> {
        let up = self.up();
        let mut agreed = None;
        for &number in &up {
            let node = &self.nodes[number];
            let info: String = node.ask(&["CLUSTER", "INFO"]).await?;
            if !info.contains("cluster_state:ok") {
                return Err(format!("node {number} says that the cluster is down"));
            }
            let peers = node.peers().await?;
            let unreached = |peer: &&Peer| {
                (peer.failing || !peer.linked)
                    && up.iter().any(|&up| self.nodes[up].port == peer.port)
            };
            if let Some(peer) = peers.iter().find(unreached) {
                return Err(format!("node {number} does not reach port {}", peer.port));
            }
            let known = |&up: &usize| peers.iter().any(|peer| peer.id == self.nodes[up].id);
            if !up.iter().all(known) {
                return Err(format!("node {number} does not know all others"));
            }
            let owners = self.owners_by(&peers);
            if owners.iter().any(|owner| owner.is_none_or(|owner| !self.nodes[owner].is_up())) {
                return Err(format!("node {number} knows no node for some slots"));
            }
            if *agreed.get_or_insert_with(|| owners.clone()) != owners {
                return Err("the nodes have different slots in mind".to_owned());
            }
            let replication: String = node.ask(&["INFO", "replication"]).await?;
            if replication.contains("role:slave") && !replication.contains("master_link_status:up")
            {
                return Err(format!("node {number} is not in sync"));
            }
            // A primary counts its replicas from their connections.
            let own = peers.iter().filter(|peer| peer.primary.as_ref() == Some(&node.id));
            let own = own.filter(|peer| up.iter().any(|&up| self.nodes[up].port == peer.port));
            let online = replication.matches("state=online").count();
            if replication.contains("role:master") && online < own.count() {
                return Err(format!("a replica of node {number} is not in sync"));
            }
        }
        Ok(())
    }

    /// When the links between the nodes that are up were made. A node loses a link, and the messages of subscriptions that are
    /// on it, when it hears nothing for half of `NODE_TIMEOUT`.
    ///
    /// # Panics
    /// If a node does not answer.
    pub async fn links_made(&self) -> Vec<SystemTime> {
        let mut made = Vec::new();
        for number in self.up() {
            let links: Vec<BTreeMap<String, Value>> =
                self.nodes[number].ask(&["CLUSTER", "LINKS"]).await.expect("the node answers");
            made.extend(links.into_iter().map(|mut link| {
                let millis = link.remove("create-time").expect("a link has a time");
                let millis = u64::from_value(millis).expect("it is a number");
                SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
            }));
        }
        made
    }
}
