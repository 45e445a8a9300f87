//! A node, and how it is asked.

use std::fmt::Write as _;
use std::time::Duration;

use edgecask::{FromValue, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::peer::{Peer, peer};
use super::resp::reply;
use crate::RedisServer;

/// How long a question of the harness may take. A paused node does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A node of a `ReplicatedCluster`.
#[derive(Debug)]
pub struct ClusterNode {
    /// Not there while the node is killed.
    pub(super) server: Option<RedisServer>,
    pub(super) port: u16,
    pub(super) bus: u16,
    pub(super) id: String,
    pub(super) paused: bool,
    /// It was removed from the cluster.
    pub(super) left: bool,
}

impl ClusterNode {
    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it runs, answers and belongs to the cluster.
    pub fn is_up(&self) -> bool {
        self.server.is_some() && !self.paused && !self.left
    }

    /// Sends one command on a connection of its own, whatever command it is.
    ///
    /// # Errors
    /// The error reply of the node, or what kept it from answering in five seconds.
    pub async fn ask<R: FromValue>(&self, words: &[&str]) -> Result<R, String> {
        let mut replies =
            self.ask_all(&[words.iter().map(|&word| word.to_owned()).collect()]).await?;
        let value = replies.pop().ok_or("no reply")??;
        R::from_value(value).map_err(|error| error.to_string())
    }

    /// Sends many commands at once on a connection of their own.
    ///
    /// # Errors
    /// What kept the node from answering all of them in time.
    pub async fn ask_all(
        &self,
        commands: &[Vec<String>],
    ) -> Result<Vec<Result<Value, String>>, String> {
        let mut request = String::new();
        for words in commands {
            // Writing to a String cannot fail.
            let _ = write!(request, "*{}\r\n", words.len());
            for word in words {
                let _ = write!(request, "${}\r\n{word}\r\n", word.len());
            }
        }
        // The node closes the connection behind the last reply.
        request += "*1\r\n$4\r\nQUIT\r\n";
        let mut answer = Vec::new();
        let exchange = async {
            let (mut read, mut write) =
                TcpStream::connect(("127.0.0.1", self.port)).await?.into_split();
            let (written, got) =
                tokio::join!(write.write_all(request.as_bytes()), read.read_to_end(&mut answer));
            written.and(got)
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(done) => done.map_err(|error| error.to_string())?,
            Err(_) => return Err("no answer in time".to_owned()),
        };
        let mut rest = answer.as_slice();
        let replies: Vec<_> = commands.iter().map_while(|_| reply(&mut rest)).collect();
        if replies.len() < commands.len() {
            return Err(format!("{} of {} replies came", replies.len(), commands.len()));
        }
        Ok(replies)
    }

    /// Who can be asked about the cluster.
    pub(super) async fn peers(&self) -> Result<Vec<Peer>, String> {
        let text: String = self.ask(&["CLUSTER", "NODES"]).await?;
        text.lines()
            .map(|line| peer(line).ok_or_else(|| format!("not understood: {line}")))
            .collect()
    }

    pub(super) fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            let sent = std::process::Command::new("kill")
                .args([name, &server.process.id().to_string()])
                .status();
            assert!(sent.is_ok_and(|status| status.success()), "the node is running");
        }
    }
}
