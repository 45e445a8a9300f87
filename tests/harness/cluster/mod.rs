//! A real cluster with replicas, and what can happen to it.
//!
//! | file | question |
//! |---|---|
//! | `launch` | How do the nodes start, and how does a test get a cluster that serves already? |
//! | `node`, `peer`, `resp` | How is a node asked, and what does it say of the others? |
//! | `health` | Do all nodes agree? |
//! | `slots`, `moves` | Which node has a slot, and how does a slot move? |
//! | `faults` | How does a node fail? |
//! | `members` | How does a replica become a primary, and how do nodes come and go? |

mod faults;
mod health;
mod launch;
mod members;
mod moves;
mod node;
mod peer;
mod resp;
mod slots;
mod spare;

use std::time::Duration;

use edgecask::Value;

pub use self::node::ClusterNode;
use self::spare::Spare;

/// How many hash slots a cluster has.
pub const SLOTS: u16 = 16384;
/// How many primaries a cluster starts with.
pub const PRIMARIES: usize = 3;
/// How long a node may be silent before the others take it for dead.
pub const NODE_TIMEOUT: Duration = Duration::from_millis(1000);
/// How long to wait between two looks at the state of the cluster.
const LOOK: Duration = Duration::from_millis(20);
/// How long the cluster may take to reach a state.
const LONGEST: Duration = Duration::from_secs(60);

/// A real cluster of three primaries on free ports of this host, with replicas or without. Its nodes are stopped by pid when
/// it is dropped, the paused ones too.
#[derive(Debug)]
pub struct ReplicatedCluster {
    nodes: Vec<ClusterNode>,
    settings: Vec<(String, String)>,
    directory: tempfile::TempDir,
}

impl ReplicatedCluster {
    /// Starts three primaries with a replica each, and waits until all agree and the replicas are in sync. The primaries are
    /// the nodes 0 to 2, and node 3 is the replica of node 0.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        static SPARE: Spare = Spare::new();
        SPARE.take_or(|| Self::launch(1, &[])).await
    }

    /// Starts three primaries without replicas. A primary that is gone does not keep the others from serving their slots.
    ///
    /// # Panics
    /// As for [`ReplicatedCluster::start`].
    pub async fn without_replicas() -> Self {
        static SPARE: Spare = Spare::new();
        SPARE.take_or(|| Self::launch(0, &[("cluster-require-full-coverage", "no")])).await
    }

    /// Starts three primaries with so many replicas each, and these settings on all nodes.
    ///
    /// # Panics
    /// As for [`ReplicatedCluster::start`].
    pub async fn with(replicas: usize, settings: &[(&str, &str)]) -> Self {
        let cluster = Self::launch(replicas, settings);
        cluster.healthy().await;
        cluster
    }

    pub(super) fn folder(&self, number: usize) -> std::path::PathBuf {
        self.directory.path().join(number.to_string())
    }

    /// Its nodes, those that are gone too.
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(ClusterNode::url).collect()
    }

    /// The numbers of the nodes that are up.
    pub fn up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|&number| self.nodes[number].is_up()).collect()
    }

    /// Sends a command to every node that is up.
    ///
    /// # Panics
    /// If one of them refuses it.
    pub async fn tell_all(&self, words: &[&str]) {
        for number in self.up() {
            let told = self.nodes[number].ask::<Value>(words).await;
            assert!(told.is_ok(), "{words:?}: {told:?}");
        }
    }
}
