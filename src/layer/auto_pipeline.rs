use std::fmt;
use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Shared;

use super::Layer;
use crate::command::{Command, Footprint, Script};
use crate::platform::{self, BoxFuture, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport, sending};
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// Sends commands that are issued at the same time in one round trip.
///
/// Single commands that are ready at the same moment (those of a `join!`, or of many requests that a server handles at
/// once) are sent as one pipeline. Each caller gets its own reply or error; the failure of another command does not affect
/// it. A call that is dropped before its batch is sent, is not sent.
///
/// **Order is kept**: if two commands touch the same key and one of them writes, they are sent in the order in which they
/// were issued, also across batches and explicit pipelines, which wait for each other where necessary. Commands that touch
/// different keys may be under way at the same time. A command that waits for data, such as BLPOP, is sent after the commands
/// that were issued before it. No later command waits for it, because a later command may be the one that ends its wait.
///
/// If a batch is refused before it is sent, because the transport cannot serve one of its commands, it is split in halves
/// until that command fails alone. Each halving costs about one more round trip.
///
/// | setting | default |
/// |---|---|
/// | [`commands`](Self::commands) | 1000 in a batch |
/// | [`bytes`](Self::bytes) | 1 MB in a batch |
/// | [`delay`](Self::delay) | none: whatever is ready now |
///
/// It belongs inside of [`Retry`](super::Retry), which then sends single commands again and not whole batches:
///
/// ```
/// use edgecask::{layer::{AutoPipeline, Deadline, Retry}, prelude::*};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory()
///     .layer(Deadline::default())
///     .layer(AutoPipeline::new())
///     .layer(Retry::new());
/// let (set, got) = futures_util::join!(client.set("k", "v"), client.get::<String>("k"));
/// set?;
/// assert_eq!(got?.as_deref(), Some("v"), "one round trip, in this order");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a Worker, add it to a client of one request only. The callers of a batch wait for the same future, and a request must
/// not wait for a future of another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoPipeline {
    commands: usize,
    bytes: usize,
    delay: Duration,
}

impl AutoPipeline {
    /// The defaults.
    pub fn new() -> Self {
        Self { commands: 1000, bytes: 1024 * 1024, delay: Duration::ZERO }
    }

    /// The most commands of a batch, at least 1.
    #[must_use]
    pub fn commands(mut self, commands: usize) -> Self {
        self.commands = commands.max(1);
        self
    }

    /// The most bytes of a batch. A longer command is sent alone.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// How long a batch waits for more commands. By default it takes only commands that are ready at the same moment.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Default for AutoPipeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for AutoPipeline {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        let queue = Queue {
            settings: self,
            inner,
            open: Mutex::default(),
            under_way: Mutex::default(),
            hasher: RandomState::new(),
        };
        Arc::new(WithAutoPipeline { queue: Arc::new(queue) })
    }
}

struct WithAutoPipeline {
    queue: Arc<Queue>,
}

struct Queue {
    settings: AutoPipeline,
    inner: Arc<dyn Transport>,
    /// The batch that new commands join. It is locked before all other locks, so that turns are taken in one order.
    open: Mutex<Option<Arc<Batch>>>,
    under_way: Mutex<Order>,
    hasher: RandomState,
}

/// The batches that are being sent or are about to be, in the order in which they were issued.
#[derive(Default)]
struct Order {
    turns: Vec<UnderWay>,
    next_id: u64,
}

struct UnderWay {
    id: u64,
    touches: Footprint,
    batch: Weak<Batch>,
}

/// Commands that share a round trip.
struct Batch {
    content: Arc<Content>,
    /// The round trip. All callers of the batch poll it, and so do all batches that wait for it. So nobody is blocked by a call
    /// that its owner does not poll.
    sent: Shared<BoxFuture<'static, ()>>,
}

struct Content {
    kind: Kind,
    queued: Mutex<QueuedCommands>,
    answer: Mutex<BatchReplies>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Single commands of many callers.
    Shared,
    /// A command that cannot be in a pipeline.
    Alone,
    Pipeline,
    Transaction,
}

#[derive(Default)]
struct QueuedCommands {
    /// A caller that is dropped takes its command out.
    commands: Vec<Option<Command>>,
    bytes: usize,
    /// Its place in the order, when no more commands join it.
    turn: Option<Turn>,
}

#[derive(Default)]
struct BatchReplies {
    replies: Vec<Option<Result<Value>>>,
    /// The error if there are no replies at all.
    failure: Option<Error>,
}

/// A place in the order, with the batches to wait for. It is kept until it is dropped.
struct Turn {
    id: u64,
    after: Vec<Weak<Batch>>,
    queue: Arc<Queue>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.queue.under_way).turns.retain(|other| other.id != self.id);
    }
}

impl Turn {
    async fn wait(&mut self) {
        for batch in std::mem::take(&mut self.after) {
            // A batch that has ended, or that all of its callers gave up, is not waited for.
            if let Some(batch) = batch.upgrade() {
                batch.sent.clone().await;
            }
        }
    }
}

impl Queue {
    /// Takes a place in the order for a batch that no more commands join.
    fn close(self: &Arc<Self>, batch: &Arc<Batch>) {
        let mut queued = lock(&batch.content.queued);
        let touches = Footprint::of(queued.commands.iter().flatten(), &self.hasher);
        let mut order = lock(&self.under_way);
        let after = order.turns.iter().filter(|other| other.touches.conflicts(&touches));
        let after = after.map(|other| Weak::clone(&other.batch)).collect();
        order.next_id += 1;
        let id = order.next_id;
        // A later command may be the one that ends the wait of a command that waits for data, so later commands do not wait
        // for it. A pipeline with WAIT does not depend on later commands, and its writes keep their place.
        let waits_for_data = batch.content.kind == Kind::Alone
            && queued.commands.iter().flatten().any(Command::is_blocking);
        if !waits_for_data {
            order.turns.push(UnderWay { id, touches, batch: Arc::downgrade(batch) });
        }
        drop(order);
        queued.turn = Some(Turn { id, after, queue: Arc::clone(self) });
    }

    fn close_open(self: &Arc<Self>, open: &mut Option<Arc<Batch>>) {
        if let Some(batch) = open.take() {
            self.close(&batch);
        }
    }

    fn batch(self: &Arc<Self>, kind: Kind, commands: &[Command]) -> Arc<Batch> {
        let commands = commands.iter().cloned().map(Some).collect();
        let content = Arc::new(Content {
            kind,
            queued: Mutex::new(QueuedCommands { commands, ..QueuedCommands::default() }),
            answer: Mutex::default(),
        });
        let sent = Arc::clone(self).send_batch(Arc::clone(&content)).boxed().shared();
        Arc::new(Batch { content, sent })
    }

    /// Adds a command to the open batch, and returns its place there.
    fn join(self: &Arc<Self>, command: Command) -> BatchSlot {
        let size = command.len_bytes();
        let mut open = lock(&self.open);
        let is_full = open.as_ref().is_some_and(|batch| {
            let queued = lock(&batch.content.queued);
            queued.commands.len() >= self.settings.commands
                || queued.bytes + size > self.settings.bytes
        });
        if is_full {
            self.close_open(&mut open);
        }
        let batch = Arc::clone(open.get_or_insert_with(|| self.batch(Kind::Shared, &[])));
        let mut queued = lock(&batch.content.queued);
        queued.bytes += size;
        queued.commands.push(Some(command));
        let at = queued.commands.len() - 1;
        drop(queued);
        BatchSlot { batch, at }
    }

    /// Sends commands as a batch of their own, when it is their turn.
    async fn by_themselves(self: &Arc<Self>, kind: Kind, commands: &[Command]) -> Result<Results> {
        let batch = {
            let mut open = lock(&self.open);
            self.close_open(&mut open);
            let batch = self.batch(kind, commands);
            self.close(&batch);
            batch
        };
        batch.sent.clone().await;
        let answer = std::mem::take(&mut *lock(&batch.content.answer));
        let results = match answer.failure {
            Some(error) => Err(error),
            None => Ok(answer.replies.into_iter().flatten().collect()),
        };
        sending::note(&results);
        results
    }

    async fn send_batch(self: Arc<Self>, content: Arc<Content>) {
        if content.kind == Kind::Shared {
            if !self.settings.delay.is_zero() {
                platform::sleep(self.settings.delay).await;
            }
            // The batch is open as long as more commands join it.
            let mut joined = 0;
            loop {
                let count = lock(&content.queued).commands.len();
                if count == joined {
                    break;
                }
                joined = count;
                platform::yield_now().await;
            }
            let mut open = lock(&self.open);
            if open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.content, &content)) {
                self.close_open(&mut open);
            }
        }
        let Some(mut turn) = lock(&content.queued).turn.take() else { return };
        turn.wait().await;
        let slots = std::mem::take(&mut lock(&content.queued).commands);
        let mut answer =
            BatchReplies { replies: slots.iter().map(|_| None).collect(), failure: None };
        let (places, commands): (Vec<usize>, Vec<Command>) =
            slots.into_iter().enumerate().filter_map(|(at, slot)| Some((at, slot?))).unzip();
        let replies = match (content.kind, &commands[..]) {
            (_, []) => Ok(Vec::new()),
            (Kind::Alone, [command]) => Ok(vec![self.inner.send(command).await]),
            (Kind::Shared, commands) => self.send_shared(commands).await,
            (Kind::Transaction, commands) => self.inner.transaction(commands).await,
            (_, commands) => self.inner.pipeline(commands).await,
        };
        match replies {
            Ok(replies) => {
                for (at, reply) in places.into_iter().zip(replies) {
                    answer.replies[at] = Some(reply);
                }
            }
            Err(error) => answer.failure = Some(error),
        }
        *lock(&content.answer) = answer;
    }

    /// Sends commands of many callers, such that none gets the error of another's command.
    async fn send_shared(&self, commands: &[Command]) -> Result<Results> {
        let mut replies = Vec::with_capacity(commands.len());
        let mut parts = vec![commands];
        while let Some(part) = parts.pop() {
            if let [command] = part {
                replies.push(self.inner.send(command).await);
                continue;
            }
            match self.inner.pipeline(part).await {
                Ok(more) => replies.extend(more),
                Err(error) if is_refusal(&error) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(error) => replies.extend(part.iter().map(|_| Err(error.clone()))),
            }
        }
        Ok(replies)
    }
}

/// Whether a batch was refused because of its commands, before any of it was sent.
fn is_refusal(error: &Error) -> bool {
    error.outcome() == Outcome::NotSent
        && matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput)
}

/// A command's place in a batch. If it is dropped before the batch is sent, the command is not sent.
struct BatchSlot {
    batch: Arc<Batch>,
    at: usize,
}

impl BatchSlot {
    async fn reply(self) -> Result<Value> {
        self.batch.sent.clone().await;
        let mut answer = lock(&self.batch.content.answer);
        let missing = || {
            Err(Error::new(
                ErrorKind::Protocol,
                "the replies of a batch lack the one of this command",
            ))
        };
        let reply = match &answer.failure {
            Some(failure) => Err(failure.clone()),
            None => answer.replies.get_mut(self.at).and_then(Option::take).unwrap_or_else(missing),
        };
        // Another caller may have polled the batch when it was sent.
        sending::note(&reply);
        reply
    }
}

impl Drop for BatchSlot {
    fn drop(&mut self) {
        if let Some(slot) = lock(&self.batch.content.queued).commands.get_mut(self.at) {
            *slot = None;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for WithAutoPipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithAutoPipeline")
            .field("settings", &self.queue.settings)
            .field("inner", &self.queue.inner)
            .finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithAutoPipeline {
    fn capabilities(&self) -> Capabilities {
        self.queue.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        let is_text = || command.args().all(|arg| std::str::from_utf8(arg).is_ok());
        if command.serves_when_busy() {
            return self.queue.inner.send(command);
        }
        if !command.is_blocking() && (self.capabilities().binary_batches || is_text()) {
            return boxed(|| async move { self.queue.join(command.clone()).reply().await });
        }
        boxed(|| async move {
            let alone = std::slice::from_ref(command);
            let mut replies = self.queue.by_themselves(Kind::Alone, alone).await?;
            replies.pop().unwrap_or_else(|| {
                Err(Error::new(ErrorKind::Protocol, "there is no reply to this command"))
            })
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.queue.by_themselves(Kind::Pipeline, commands))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| self.queue.by_themselves(Kind::Transaction, commands))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.queue.inner.subscribe(to)
    }

    fn sync_token(&self) -> Option<String> {
        self.queue.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.queue.inner.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.queue.inner.register(script);
    }
}
