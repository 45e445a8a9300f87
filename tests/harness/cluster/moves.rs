//! How slots move from node to node.

use edgecask::{FromValue, Value};

use super::ReplicatedCluster;

impl ReplicatedCluster {
    /// Begins to move slots: what is not there any more is asked for at the other node (ASK).
    ///
    /// # Panics
    /// If a node refuses it.
    pub async fn begin_move(&self, slots: &[u16], from: usize, to: usize) {
        self.set_slots(to, slots, &["IMPORTING", &self.nodes[from].id]).await;
        self.set_slots(from, slots, &["MIGRATING", &self.nodes[to].id]).await;
    }

    /// Moves at most so many keys of these slots to the other node, and gives the number of those that were moved.
    ///
    /// # Panics
    /// If a node refuses it.
    pub async fn move_keys(&self, slots: &[u16], from: usize, to: usize, most: usize) -> usize {
        let count = most.to_string();
        let words = |slot: &u16| {
            ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &count].map(str::to_owned).to_vec()
        };
        let questions: Vec<_> = slots.iter().map(words).collect();
        let pages = self.nodes[from].ask_all(&questions).await.expect("the node answers");
        let port = self.nodes[to].port.to_string();
        let (mut moved, mut moves) = (0, Vec::new());
        for page in pages {
            let keys = Vec::<String>::from_value(page.expect("the slot is there")).expect("keys");
            let keys = &keys[..keys.len().min(most - moved)];
            if keys.is_empty() {
                continue;
            }
            moved += keys.len();
            let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            moves.push(words.into_iter().map(str::to_owned).chain(keys.iter().cloned()).collect());
        }
        let done = self.nodes[from].ask_all(&moves).await.expect("the node answers");
        if let Some(Err(refused)) = done.iter().find(|done| done.is_err()) {
            panic!("node {from} does not move its keys to node {to}: {refused}");
        }
        moved
    }

    /// Gives slots whose keys were moved to the other node for good (MOVED).
    ///
    /// # Panics
    /// If a node refuses it.
    pub async fn end_move(&self, slots: &[u16], from: usize, to: usize) {
        let mut others = self.up();
        others.retain(|&number| number != from && number != to);
        // The new node first: so there is no time in which nobody takes the slot for its own.
        for number in [to, from] {
            self.set_slots(number, slots, &["NODE", &self.nodes[to].id]).await;
        }
        for number in others {
            // A replica learns it from its primary.
            let role: Vec<Value> = self.nodes[number].ask(&["ROLE"]).await.expect("it answers");
            if role[0] == Value::bulk("master") {
                self.set_slots(number, slots, &["NODE", &self.nodes[to].id]).await;
            }
        }
    }

    async fn set_slots(&self, number: usize, slots: &[u16], what: &[&str]) {
        let words = |slot: &u16| {
            let slot = slot.to_string();
            let words = ["CLUSTER", "SETSLOT", &slot].into_iter().chain(what.iter().copied());
            words.map(str::to_owned).collect()
        };
        let commands: Vec<Vec<String>> = slots.iter().map(words).collect();
        let set = self.nodes[number].ask_all(&commands).await.expect("the node answers");
        if let Some(Err(refused)) = set.iter().find(|set| set.is_err()) {
            panic!("node {number} refused SETSLOT {what:?}: {refused}");
        }
    }

    /// Moves slots with their keys to another node while the cluster serves them.
    ///
    /// # Panics
    /// If a node refuses it.
    pub async fn move_slots(&self, slots: &[u16], from: usize, to: usize) {
        for part in slots.chunks(1000) {
            self.begin_move(part, from, to).await;
            while self.move_keys(part, from, to, 1000).await > 0 {}
            self.end_move(part, from, to).await;
        }
    }
}
