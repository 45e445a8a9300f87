//! How a node fails: killed, paused, busy.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::ReplicatedCluster;
use super::launch::node_process;

impl ReplicatedCluster {
    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].server = None;
    }

    /// Starts a node that was killed. It has again what it acknowledged, and is a replica if another took its place.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self, number: usize) {
        let folder = self.folder(number);
        let node = &mut self.nodes[number];
        assert!(node.server.is_none(), "it is running");
        let server = node_process(node.port, node.bus, &folder, &self.settings);
        (node.server, node.paused) = (Some(server), false);
    }

    /// Lets a node stand still, with its port and its connections open.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&mut self, number: usize) {
        self.nodes[number].signal("-STOP");
        self.nodes[number].paused = true;
    }

    /// Lets a node go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&mut self, number: usize) {
        self.nodes[number].signal("-CONT");
        self.nodes[number].paused = false;
    }

    /// Keeps a node busy with a script for so long. It has begun when this returns.
    ///
    /// # Panics
    /// If the node does not answer.
    pub async fn block(&self, number: usize, time: Duration) -> tokio::task::JoinHandle<()> {
        const SCRIPT: &str = "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end \
                              local till = now() + ARGV[1] while now() < till do end return 1";
        let millis = time.as_millis().to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.nodes[number].port))
            .await
            .expect("the node listens");
        let length = SCRIPT.len();
        let script = format!(
            "*1\r\n$4\r\nPING\r\n*4\r\n$4\r\nEVAL\r\n${length}\r\n{SCRIPT}\r\n$1\r\n0\r\n${}\r\n{millis}\r\n",
            millis.len()
        );
        stream.write_all(script.as_bytes()).await.expect("the node reads");
        let mut pong = [0; 7];
        // The PING came in the same piece, so the node has read the script too. What is sent from now on is behind it.
        stream.read_exact(&mut pong).await.expect("the node answers");
        tokio::spawn(async move {
            let mut answer = [0; 4];
            // The node may be killed meanwhile.
            let _ = stream.read_exact(&mut answer).await;
        })
    }
}
