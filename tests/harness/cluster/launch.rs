//! How the nodes start.

use std::fmt::Write as _;
use std::path::Path;

use super::{ClusterNode, NODE_TIMEOUT, PRIMARIES, ReplicatedCluster, SLOTS};
use crate::{RedisServer, free_port};

impl ReplicatedCluster {
    /// Starts the nodes, and does not wait until they serve.
    pub(super) fn launch(replicas: usize, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the nodes' files");
        let node = || {
            let port = free_port();
            // The bus has a port of its own, by default 10000 above, which may be too high.
            let (bus, id) = (free_port(), format!("{port:040x}"));
            ClusterNode { server: None, port, bus, id, paused: false, left: false }
        };
        let nodes: Vec<_> = std::iter::repeat_with(node).take(PRIMARIES * (1 + replicas)).collect();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(owned).collect();
        let mut cluster = Self { nodes, settings, directory };
        for number in 0..cluster.nodes.len() {
            let folder = cluster.folder(number);
            std::fs::create_dir(&folder).expect("the directory is ours");
            // All nodes know the whole cluster from the start, which saves the time that introductions take.
            std::fs::write(folder.join("nodes.conf"), cluster.known_to(number))
                .expect("the directory is ours");
            cluster.restart(number);
        }
        cluster
    }

    /// The cluster as this node has it in its file.
    fn known_to(&self, number: usize) -> String {
        let mut text = String::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let ClusterNode { id, port, bus, .. } = node;
            let myself = if at == number { "myself," } else { "" };
            let shard = at % PRIMARIES;
            let _ = write!(text, "{id} 127.0.0.1:{port}@{bus} {myself}");
            if at < PRIMARIES {
                let first = |shard| usize::from(SLOTS) * shard / PRIMARIES;
                let (first, last) = (first(shard), first(shard + 1) - 1);
                let _ = writeln!(text, "master - 0 0 {} connected {first}-{last}", at + 1);
            } else {
                let primary = &self.nodes[shard].id;
                let _ = writeln!(text, "slave {primary} 0 0 {} connected", shard + 1);
            }
        }
        text + "vars currentEpoch 3 lastVoteEpoch 0\n"
    }
}

pub(super) fn node_process(
    port: u16,
    bus: u16,
    folder: &Path,
    settings: &[(String, String)],
) -> RedisServer {
    let mut command = std::process::Command::new("redis-server");
    let (bus, timeout) = (bus.to_string(), NODE_TIMEOUT.as_millis().to_string());
    command.args(["--port", &port.to_string(), "--cluster-port", &bus]).arg("--dir").arg(folder);
    for (name, value) in [
        ("cluster-enabled", "yes"),
        ("cluster-config-file", "nodes.conf"),
        ("cluster-node-timeout", &timeout),
        // A replica that was away for long may be promoted too.
        ("cluster-replica-validity-factor", "0"),
        ("cluster-allow-replica-migration", "no"),
        ("repl-diskless-sync-delay", "0"),
        ("busy-reply-threshold", "50"),
        ("latency-tracking", "no"),
    ] {
        command.arg(format!("--{name}")).arg(value);
    }
    for (name, value) in settings {
        command.arg(format!("--{name}")).arg(value);
    }
    // What a process wrote is there after SIGKILL, whether the disk has it or not.
    RedisServer::run_with(command, port, ["--appendonly", "yes", "--appendfsync", "no"])
}
