//! The known map of the cluster, and how it is refreshed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::super::connection::Connection;
use super::super::dial::Dialer;
use super::super::endpoint::{self, Endpoint};
use super::super::pool::PoolSize;
use super::super::resp::{Batch, Reply};
use super::node::{Address, Node};
use super::slot_map::{SlotMap, SlotRange};
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, FromValue, Result};

/// How many of the known servers are asked at once.
const ASKED: usize = 5;
/// How long the known servers may take before the given ones are asked too.
const KNOWN_SERVERS: Duration = Duration::from_secs(1);
/// How long other answers are waited for after the first one. The newest of them is taken.
const OTHER_ANSWERS: Duration = Duration::from_millis(100);
/// How long the answer of the servers counts as new.
const NEW: Duration = Duration::from_millis(100);
/// The most servers that are remembered because redirections have named them, and the map has not.
const MOST_STRANGERS: usize = 256;

/// The slots and their servers. They are asked for again when a server redirects a command, is not reached or does not answer.
pub(super) struct Topology {
    pub(super) dialer: Arc<Dialer>,
    /// The servers whose URLs the user gave.
    seeds: Vec<Endpoint>,
    waiting: PoolSize,
    slots: watch::Sender<Arc<SlotMap>>,
    /// Servers that redirections have named, until the map names them.
    strangers: Mutex<Vec<Arc<Node>>>,
    refresh: Mutex<Refresh>,
}

#[derive(Default)]
struct Refresh {
    /// The last question, which may be under way, for all calls that need its answer.
    last: Option<Question>,
    ended: Option<Instant>,
}

/// A question runs as a task, so that it outlives the call that started it. Its output is `None` if its runtime shuts down first.
type Question = Shared<BoxFuture<'static, Option<Result<()>>>>;

impl Topology {
    pub(super) fn new(dialer: Arc<Dialer>, seeds: Vec<Endpoint>, waiting: PoolSize) -> Self {
        Self {
            dialer,
            seeds,
            waiting,
            slots: watch::Sender::new(Arc::new(SlotMap::empty())),
            strangers: Mutex::default(),
            refresh: Mutex::default(),
        }
    }

    /// The map as it is known now.
    pub(super) fn slots(&self) -> Arc<SlotMap> {
        Arc::clone(&self.slots.borrow())
    }

    /// The map of now, and every change of it.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<SlotMap>> {
        self.slots.subscribe()
    }

    /// The map, which is asked for if nothing is known yet.
    pub(super) async fn known_slots(self: &Arc<Self>) -> Result<Arc<SlotMap>> {
        let slots = self.slots();
        if !slots.is_empty() {
            return Ok(slots);
        }
        self.refresh().await?;
        Ok(self.slots())
    }

    /// The server at an address.
    pub(super) fn node(&self, address: &Address) -> Arc<Node> {
        let slots = self.slots();
        let mut strangers = lock(&self.strangers);
        let known = slots.members().map(|member| &member.node).chain(&*strangers);
        if let Some(node) = known.into_iter().find(|node| node.address == *address) {
            return Arc::clone(node);
        }
        let node = Arc::new(self.new_node(address));
        if strangers.len() < MOST_STRANGERS {
            strangers.push(Arc::clone(&node));
        }
        node
    }

    fn new_node(&self, address: &Address) -> Node {
        let Address { host, port } = address.clone();
        // There is a URL, or there would be no server that has named another.
        let seed = &self.seeds[0];
        let endpoint = seed.at(seed.address.beside(host, port));
        Node::new(address.clone(), endpoint, self.waiting)
    }

    /// Asks the servers for the map, and waits for the answer. If the last answer is new, nothing is asked.
    pub(super) async fn refresh(self: &Arc<Self>) -> Result<()> {
        loop {
            let (question, is_own) = self.question(NEW);
            match question.clone().await {
                Some(result) => return result,
                None => {
                    // The question belonged to a runtime that has ended. This call's runtime is running.
                    let mut refresh = lock(&self.refresh);
                    refresh.last.take_if(|last| last.ptr_eq(&question));
                    refresh.ended = None;
                    if is_own {
                        return Err(Error::new(ErrorKind::Connect, "the runtime is shutting down"));
                    }
                }
            }
        }
    }

    /// Asks the servers for the map, if the last answer is older than this. It does not wait.
    pub(super) fn refresh_if_older(self: &Arc<Self>, age: Duration) {
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(self.question(age));
        }
    }

    /// The question that is under way or whose answer is not older than this, or a new one; and whether it is a new one.
    fn question(self: &Arc<Self>, age: Duration) -> (Question, bool) {
        let mut refresh = lock(&self.refresh);
        let is_new = refresh.ended.is_none_or(|ended| ended.elapsed() < age);
        if let Some(last) = refresh.last.as_ref().filter(|_| is_new) {
            return (last.clone(), false);
        }
        let topology = Arc::clone(self);
        let task = tokio::spawn(async move {
            let result = topology.ask().await;
            lock(&topology.refresh).ended = Some(Instant::now());
            result
        });
        let question = task.map(|ended| ended.ok()).boxed().shared();
        refresh.ended = None;
        refresh.last = Some(question.clone());
        (question, true)
    }

    /// Asks the servers for the map, and takes the newest answer.
    async fn ask(&self) -> Result<()> {
        let slots = self.slots();
        let mut known: Vec<Arc<Node>> =
            slots.members().map(|member| Arc::clone(&member.node)).collect();
        fastrand::shuffle(&mut known);
        let asked = known.iter().take(ASKED).map(|node| boxed(|| self.ask_node(node)));
        let answers = tokio::time::timeout(KNOWN_SERVERS, newest(asked.collect())).await;
        let answer = match answers {
            Ok(Ok(answer)) => answer,
            _ => {
                let seeds = self.seeds.iter().map(|seed| boxed(|| self.ask_seed(seed)));
                let others = known.iter().skip(ASKED).map(|node| boxed(|| self.ask_node(node)));
                newest(seeds.chain(others).collect()).await?
            }
        };
        let map = SlotMap::new(&answer.ranges, |address| self.node(address));
        if !map.is_same(&slots) {
            tracing::debug!(
                primaries = map.primaries().len(),
                "the slots of the cluster have changed"
            );
            lock(&self.strangers).clear();
            self.slots.send_replace(Arc::new(map));
        }
        Ok(())
    }

    async fn ask_node(&self, node: &Node) -> Result<Answer> {
        self.dialer
            .in_time(async {
                let guard = match node.shared.current() {
                    Some(guard) => guard,
                    None => {
                        let limit = self.dialer.connect_timeout;
                        node.shared.connect(limit, || self.dial(node)).await?
                    }
                };
                Answer::of(guard.send_all(Answer::question()).await?, &node.address.host)
            })
            .await
    }

    async fn ask_seed(&self, seed: &Endpoint) -> Result<Answer> {
        let host = match &seed.address {
            endpoint::Address::Tcp { host, .. } => host.as_str(),
            #[cfg(unix)]
            endpoint::Address::Unix(_) => "localhost",
        };
        self.dialer
            .in_time(async {
                let connection = self.dialer.connect(seed).await?;
                Answer::of(connection.send_all(Answer::question()).await?, host)
            })
            .await
    }

    /// An attempt to connect to a server, which may outlive the call that needs it.
    pub(super) fn dial(
        &self,
        node: &Node,
    ) -> impl Future<Output = Result<Connection>> + Send + 'static {
        self.dialing(node)()
    }

    /// A function that connects to a server.
    pub(super) fn dialing(
        &self,
        node: &Node,
    ) -> impl Fn() -> BoxFuture<'static, Result<Connection>> + Send + 'static {
        let (dialer, endpoint) = (Arc::clone(&self.dialer), node.endpoint.clone());
        move || {
            let (dialer, endpoint) = (Arc::clone(&dialer), endpoint.clone());
            boxed(|| async move { dialer.connect(&endpoint).await })
        }
    }
}

/// The answer of a server about the cluster.
struct Answer {
    /// Whether the server is connected with the others, and how many changes of the cluster it knows.
    newness: (bool, u64),
    ranges: Vec<SlotRange>,
}

impl Answer {
    fn question() -> Batch {
        Batch::of(["INFO", "SLOTS"].map(|word| Command::new("CLUSTER").arg(word)).iter())
    }

    fn of(replies: Vec<Reply>, asked: &str) -> Result<Self> {
        let mut replies = replies.into_iter().map(Reply::into_result);
        let info = replies.next().map(|info| info.and_then(String::from_value));
        // A server that refuses CLUSTER INFO may still tell the slots.
        let info = info.and_then(Result::ok).unwrap_or_default();
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix(':'))
        };
        let epoch = field("cluster_current_epoch").and_then(|epoch| epoch.parse().ok());
        let newness = (field("cluster_state") == Some("ok"), epoch.unwrap_or(0));
        let slots = replies.next().unwrap_or_else(|| Ok(crate::Value::Nil)).map_err(|error| {
            if error.message().contains("cluster support disabled") {
                let message = "the server is not part of a cluster: use TcpOptions::new";
                return Error::new(ErrorKind::Config, message);
            }
            error
        })?;
        let ranges = SlotRange::all_in(slots, asked)?;
        if ranges.is_empty() {
            return Err(Error::new(ErrorKind::Connect, "the server knows of no slots"));
        }
        Ok(Self { newness, ranges })
    }
}

/// The newest of the answers that come in time.
async fn newest(mut asked: FuturesUnordered<BoxFuture<'_, Result<Answer>>>) -> Result<Answer> {
    let (mut best, mut until): (Option<Answer>, _) = (None, None);
    let mut last = Error::new(ErrorKind::Config, "there is no URL of a Redis server");
    loop {
        let next = match until {
            None => asked.next().await,
            Some(until) => tokio::time::timeout_at(until, asked.next()).await.ok().flatten(),
        };
        match next {
            Some(Ok(answer)) => {
                until = until.or_else(|| Some(Instant::now() + OTHER_ANSWERS));
                if best.as_ref().is_none_or(|best| best.newness < answer.newness) {
                    best = Some(answer);
                }
            }
            Some(Err(error)) => last = error,
            None => break,
        }
    }
    match best {
        Some(answer) => Ok(answer),
        None if matches!(last.kind(), ErrorKind::Unauthorized | ErrorKind::Config) => Err(last),
        None => {
            let message = "no node of the cluster is reached";
            Err(Error::new(ErrorKind::Connect, message).with_source(last))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
