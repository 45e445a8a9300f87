//! How a replica becomes a primary, and how nodes come and go.

use edgecask::Value;

use super::launch::node_process;
use super::{ClusterNode, LONGEST, LOOK, ReplicatedCluster};
use crate::free_port;

impl ReplicatedCluster {
    /// Waits until another node has the slots of this one, and the nodes that are up agree: the failover of Redis itself.
    ///
    /// # Panics
    /// If there is none in a minute.
    pub async fn failed_over(&self, number: usize) {
        let start = tokio::time::Instant::now();
        loop {
            let healthy = self.check().await;
            if healthy.is_ok() && !self.owners().await.contains(&Some(number)) {
                return;
            }
            assert!(start.elapsed() < LONGEST, "no failover of node {number}: {healthy:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Makes a replica a primary, with the consent of its primary, so that no write is lost.
    ///
    /// # Panics
    /// If it does not become one.
    pub async fn promote(&self, replica: usize) {
        self.nodes[replica].ask::<Value>(&["CLUSTER", "FAILOVER"]).await.expect("it is a replica");
        let start = tokio::time::Instant::now();
        loop {
            let role: Result<Vec<Value>, String> = self.nodes[replica].ask(&["ROLE"]).await;
            if role.is_ok_and(|role| role[0] == Value::bulk("master")) {
                break;
            }
            assert!(start.elapsed() < LONGEST, "node {replica} is still a replica");
            tokio::time::sleep(LOOK).await;
        }
        self.healthy().await;
    }

    /// Adds a node without slots, and gives its number.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn add_node(&mut self) -> usize {
        let number = self.nodes.len();
        let folder = self.folder(number);
        std::fs::create_dir(&folder).expect("the directory is ours");
        let (port, bus) = (free_port(), free_port());
        let server = Some(node_process(port, bus, &folder, &self.settings));
        let host = self.up()[0];
        let id = String::new();
        self.nodes.push(ClusterNode { server, port, bus, id, paused: false, left: false });
        self.nodes[number].id =
            self.nodes[number].ask(&["CLUSTER", "MYID"]).await.expect("it runs");
        let (port, bus) = (port.to_string(), bus.to_string());
        let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus];
        self.nodes[host].ask::<Value>(&meet).await.expect("the nodes meet");
        self.healthy().await;
        number
    }

    /// Moves all slots of a node to others, and lets all forget it. Its process goes on, alone.
    ///
    /// # Panics
    /// If a node refuses it.
    pub async fn remove_node(&mut self, number: usize) {
        let mut others: Vec<usize> = self.shards().await.into_keys().collect();
        others.retain(|&other| other != number);
        let slots = self.slots_of(number).await;
        for (part, &to) in slots.chunks(slots.len().div_ceil(others.len()).max(1)).zip(&others) {
            self.move_slots(part, number, to).await;
        }
        self.healthy().await;
        self.nodes[number].left = true;
        let id = self.nodes[number].id.clone();
        self.tell_all(&["CLUSTER", "FORGET", &id]).await;
        let forgotten = self.nodes[number].ask::<Value>(&["CLUSTER", "RESET", "SOFT"]).await;
        // A primary with keys cannot be reset, and this one has none.
        forgotten.expect("it has no slots any more");
    }
}
