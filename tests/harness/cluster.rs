//! A real cluster with replicas, and what can happen to it: killed and hung nodes, slots that move, nodes that come and go.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use edgecask::{FromValue, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{RedisServer, free_port};

/// How many hash slots a cluster has.
pub const SLOTS: u16 = 16384;
/// How many primaries a cluster starts with.
pub const PRIMARIES: usize = 3;
/// How long a node may be silent before the others take it for dead.
pub const NODE_TIMEOUT: Duration = Duration::from_millis(1000);
/// How long a question of the harness may take. A paused node does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
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

/// A node of a [`ReplicatedCluster`].
#[derive(Debug)]
pub struct ClusterNode {
    /// Not there while the node is killed.
    server: Option<RedisServer>,
    port: u16,
    bus: u16,
    id: String,
    paused: bool,
    /// It was removed from the cluster.
    left: bool,
}

/// What one node says of another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Peer {
    id: String,
    port: u16,
    /// The id of its primary; `None` if it is a primary itself.
    primary: Option<String>,
    failing: bool,
    /// The node that says it has a link to this one.
    linked: bool,
    slots: Vec<(u16, u16)>,
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
    async fn peers(&self) -> Result<Vec<Peer>, String> {
        let text: String = self.ask(&["CLUSTER", "NODES"]).await?;
        text.lines()
            .map(|line| peer(line).ok_or_else(|| format!("not understood: {line}")))
            .collect()
    }

    fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            let sent = std::process::Command::new("kill")
                .args([name, &server.process.id().to_string()])
                .status();
            assert!(sent.is_ok_and(|status| status.success()), "the node is running");
        }
    }
}

/// The next reply of a RESP2 answer; `None` where it ends.
fn reply(rest: &mut &[u8]) -> Option<Result<Value, String>> {
    let line = line(rest)?;
    let text = String::from_utf8_lossy(line.get(1..)?).into_owned();
    Some(Ok(match line.first()? {
        b'+' => Value::Simple(text.into()),
        b'-' => return Some(Err(text)),
        b':' => Value::Integer(text.parse().ok()?),
        b'$' | b'*' if text == "-1" => Value::Nil,
        b'$' => {
            let length: usize = text.parse().ok()?;
            let bytes = rest.get(..length)?.to_vec();
            *rest = rest.get(length + 2..)?;
            Value::bulk(bytes)
        }
        b'*' => {
            let mut items = Vec::new();
            for _ in 0..text.parse().ok()? {
                items.push(reply(rest)?.unwrap_or_else(|error| Value::Simple(error.into())));
            }
            Value::Array(items)
        }
        _ => return None,
    }))
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let (line, after) = (&rest[..end], &rest[end + 2..]);
    *rest = after;
    Some(line)
}

/// A line of CLUSTER NODES.
fn peer(line: &str) -> Option<Peer> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[id, address, flags, primary, ..] = words.as_slice() else { return None };
    let port = address.split('@').next()?.rsplit(':').next()?.parse().ok()?;
    let flag = |name: &str| flags.split(',').any(|flag| flag == name);
    // A slot that is on the move is listed in brackets.
    let slots = words.iter().skip(8).filter(|word| !word.starts_with('['));
    let slots = slots.filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    Some(Peer {
        id: id.to_owned(),
        port,
        primary: (primary != "-").then(|| primary.to_owned()),
        failing: ["fail", "fail?", "handshake", "noaddr"].into_iter().any(flag),
        linked: words.get(7) == Some(&"connected"),
        slots: slots.collect(),
    })
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

    /// Starts the nodes, and does not wait until they serve.
    fn launch(replicas: usize, settings: &[(&str, &str)]) -> Self {
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

    fn folder(&self, number: usize) -> std::path::PathBuf {
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

    fn owners_by(&self, peers: &[Peer]) -> Vec<Option<usize>> {
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

    async fn check(&self) -> Result<(), String> {
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
    /// on it, when it hears nothing for half of [`NODE_TIMEOUT`].
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

    /// The slots of a node.
    ///
    /// # Panics
    /// If no node answers.
    pub async fn slots_of(&self, number: usize) -> Vec<u16> {
        let owners = self.owners().await;
        (0..SLOTS).filter(|&slot| owners[usize::from(slot)] == Some(number)).collect()
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

/// A cluster that was launched for the next test. A primary serves nothing in its first two seconds, whatever its settings are
/// (`CLUSTER_WRITABLE_DELAY` in Redis), and those of a spare one have passed when a test takes it.
struct Spare(Mutex<Option<(ReplicatedCluster, Warden)>>);

impl Spare {
    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The spare cluster if there is one, else a new one; healthy. Another one is launched for the next test.
    async fn take_or(&self, launch: impl Fn() -> ReplicatedCluster) -> ReplicatedCluster {
        let cluster = {
            let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = spare.take();
            let next = launch();
            let warden = Warden::of(&next);
            *spare = Some((next, warden));
            match taken {
                Some((cluster, warden)) => {
                    warden.dismiss();
                    cluster
                }
                None => launch(),
            }
        };
        cluster.healthy().await;
        cluster
    }
}

/// A process that ends the nodes of a spare cluster, and removes their files, when the process of the tests has ended. Nothing
/// that is `static` is dropped then.
struct Warden(Child);

impl Warden {
    fn of(cluster: &ReplicatedCluster) -> Self {
        // Its input ends with the process that holds the other end.
        const SCRIPT: &str = "read -r _; kill -9 \"$@\"; rm -rf -- \"$0\"";
        let servers = cluster.nodes.iter().filter_map(|node| node.server.as_ref());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", SCRIPT]).arg(cluster.directory.path());
        command.args(servers.map(|server| server.process.id().to_string()));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("there is a shell"))
    }

    fn dismiss(mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it is our process");
    }
}

fn node_process(port: u16, bus: u16, folder: &Path, settings: &[(String, String)]) -> RedisServer {
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
