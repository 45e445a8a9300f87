//! Transports send commands to a Redis: one small trait and its implementations.
//!
//! | transport | feature | reaches |
//! |---|---|---|
//! | [`rest::RestTransport`] | `rest` | the Upstash REST API, over reqwest on native targets (feature `reqwest`), `fetch` on a JavaScript host, or an HTTP client of your own |
//! | [`tcp::TcpTransport`] | `tcp` | any Redis over TCP, from long-running native hosts |
//! | [`memory::MemoryTransport`] | `memory` | the embedded engine in this process |

#[cfg(any(feature = "memory", all(feature = "tcp", not(target_arch = "wasm32"))))]
mod blocking;
#[cfg(feature = "memory")]
pub mod memory;
#[cfg(feature = "rest")]
pub mod rest;
pub(crate) mod sending;
#[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
pub mod tcp;

use std::fmt;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::command::{Command, Script};
use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// What a transport is connected to. Health checks report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// A Redis server, over REST or TCP.
    Redis,
    /// The embedded engine.
    InMemory,
}

/// What a transport can do. It is checked before a call, so that a call that cannot be served fails at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// What the transport is connected to.
    pub backend: Backend,
    /// Whether arguments inside pipelines and transactions may be any bytes. Where it is `false`, they must be UTF-8.
    pub binary_batches: bool,
    /// Whether blocking commands such as BLPOP can be sent.
    pub blocking: bool,
    /// Whether [`Transport::subscribe`] works.
    pub subscriptions: bool,
    /// Lua scripts. Where it is `false`, only scripts with a native implementation run.
    pub lua: bool,
    /// Whether the server may be Upstash, whose scripts can lock single keys; see
    /// [`Script::key_locking`](crate::Script::key_locking).
    pub key_locking: bool,
    /// The most commands that one round trip of a pipeline may have. The client sends a longer one in several round
    /// trips.
    pub pipeline_commands: usize,
    /// The approximate number of bytes that one round trip of a pipeline may have.
    pub pipeline_bytes: usize,
    /// Whether a [`Fallback`](crate::layer::Fallback) answers while the server is unavailable.
    pub falls_back: bool,
}

/// The replies of a batch in the order of its commands. A command that failed has its error among the others' replies.
pub type Results = Vec<Result<Value>>;

/// What to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subscription {
    /// These channels. Redis SUBSCRIBE.
    Channels(Vec<Bytes>),
    /// Every channel that one of these globs matches. Redis PSUBSCRIBE.
    Patterns(Vec<Bytes>),
    /// These shard channels, which are apart from other channels of the same names. Redis SSUBSCRIBE. In a cluster, the owner
    /// of a shard channel's slot alone has its messages.
    ShardChannels(Vec<Bytes>),
    /// Every command that the server carries out, as a line of text. Redis MONITOR.
    Monitor,
}

impl Subscription {
    /// These channels.
    pub fn channels(channels: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self::Channels(channels.into_iter().map(Into::into).collect())
    }

    /// These shard channels.
    pub fn shard_channels(channels: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self::ShardChannels(channels.into_iter().map(Into::into).collect())
    }

    /// Channels that match these patterns.
    pub fn patterns(patterns: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self::Patterns(patterns.into_iter().map(Into::into).collect())
    }
}

/// A message of a subscription. `Debug` shows the payload's length only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The channel that it was published to; empty for [`Subscription::Monitor`].
    pub channel: Bytes,
    /// The pattern that the channel matched, for [`Subscription::Patterns`].
    pub pattern: Option<Bytes>,
    /// The published bytes, or the line of [`Subscription::Monitor`].
    pub payload: Bytes,
}

impl Message {
    /// A message of a channel.
    pub fn new(channel: impl Into<Bytes>, payload: impl Into<Bytes>) -> Self {
        Self { channel: channel.into(), pattern: None, payload: payload.into() }
    }

    /// The same message, with the pattern that its channel matched.
    #[must_use]
    pub fn matching(mut self, pattern: impl Into<Bytes>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Bytes| bytes.escape_ascii().to_string();
        f.debug_struct("Message")
            .field("channel", &text(&self.channel))
            .field("pattern", &self.pattern.as_ref().map(text))
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// The messages of a subscription. The stream ends when the connection does. Dropping it unsubscribes.
pub type Messages = BoxStream<'static, Result<Message>>;

/// Sends commands. Behaviour such as retries is a [layer](crate::layer) around a transport, and is itself a transport.
///
/// All futures are `Send` on every target. Dropping one cancels its request, if the transport can.
///
/// A transport of your own that counts commands, as a layer around any other:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use edgecask::layer::Layer;
/// use edgecask::platform::BoxFuture;
/// use edgecask::transport::{Capabilities, Messages, Results, Subscription, Transport};
/// use edgecask::{Client, Command, Result, Script, Value};
///
/// #[derive(Debug)]
/// struct Counting {
///     inner: Arc<dyn Transport>,
///     commands: Arc<AtomicU64>,
/// }
///
/// // Clippy reports a method that the layer does not pass on.
/// #[deny(clippy::missing_trait_methods)]
/// impl Transport for Counting {
///     fn capabilities(&self) -> Capabilities {
///         self.inner.capabilities()
///     }
///     fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
///         self.commands.fetch_add(1, Ordering::Relaxed);
///         self.inner.send(command)
///     }
///     fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
///         self.commands.fetch_add(commands.len() as u64, Ordering::Relaxed);
///         self.inner.pipeline(commands)
///     }
///     fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
///         self.commands.fetch_add(commands.len() as u64, Ordering::Relaxed);
///         self.inner.transaction(commands)
///     }
///     fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
///         self.inner.subscribe(to)
///     }
///     fn sync_token(&self) -> Option<String> {
///         self.inner.sync_token()
///     }
///     fn set_sync_token(&self, token: &str) {
///         self.inner.set_sync_token(token);
///     }
///     fn register(&self, script: &Script) {
///         self.inner.register(script);
///     }
/// }
///
/// struct Count(Arc<AtomicU64>);
///
/// impl Layer for Count {
///     fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
///         Arc::new(Counting { inner, commands: self.0 })
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// use edgecask::prelude::*;
///
/// let count = Arc::new(AtomicU64::new(0));
/// let client = Client::memory().layer(Count(count.clone()));
/// client.ping().await?;
/// assert_eq!(count.load(Ordering::Relaxed), 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// What this transport can do.
    fn capabilities(&self) -> Capabilities;

    /// Sends one command: one round trip.
    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>>;

    /// Sends commands in order in one round trip, not as a unit: other clients' commands may run in between, and a
    /// failing command does not stop the later ones. There are exactly as many replies as commands.
    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>>;

    /// Runs commands as a unit (MULTI/EXEC) in one round trip. A command that fails does not stop the later ones; a
    /// transaction that the server discards as a whole is an error of kind [`ErrorKind::Discarded`].
    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>>;

    /// Subscribes. Messages are received from the moment the future is done.
    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>>;

    /// The token by which reads of another client see the writes of this one. A layer asks its inner transport. It is `None`
    /// where every read sees every write anyway, or if nothing was sent yet.
    fn sync_token(&self) -> Option<String>;

    /// Lets reads see the writes of another client, by its token. A layer passes it to its inner transport. Where every read
    /// sees every write anyway, it does nothing.
    fn set_sync_token(&self, token: &str);

    /// Makes the native implementation of a script known to the embedded engine, which keeps it by its sha. A client does so
    /// before it sends the source of a script that the server does not know, and before it sends any script where
    /// [`Capabilities::lua`] is `false`. A layer passes it to its inner transport. Any other transport does nothing.
    fn register(&self, script: &Script);
}

impl Capabilities {
    /// A transport to this backend that can send UTF-8 text only. The methods below add to that.
    ///
    /// ```
    /// use edgecask::transport::{Backend, Capabilities};
    ///
    /// let capabilities = Capabilities::new(Backend::Redis).binary_batches(true).lua(true);
    /// ```
    pub fn new(backend: Backend) -> Self {
        Self {
            backend,
            binary_batches: false,
            blocking: false,
            subscriptions: false,
            lua: false,
            key_locking: false,
            pipeline_commands: usize::MAX,
            pipeline_bytes: usize::MAX,
            falls_back: false,
        }
    }

    /// Sets [`Capabilities::binary_batches`](#structfield.binary_batches).
    #[must_use]
    pub fn binary_batches(mut self, can: bool) -> Self {
        self.binary_batches = can;
        self
    }

    /// Sets [`Capabilities::blocking`](#structfield.blocking).
    #[must_use]
    pub fn blocking(mut self, can: bool) -> Self {
        self.blocking = can;
        self
    }

    /// Sets [`Capabilities::subscriptions`](#structfield.subscriptions).
    #[must_use]
    pub fn subscriptions(mut self, can: bool) -> Self {
        self.subscriptions = can;
        self
    }

    /// Sets [`Capabilities::lua`](#structfield.lua).
    #[must_use]
    pub fn lua(mut self, can: bool) -> Self {
        self.lua = can;
        self
    }

    /// Sets [`Capabilities::key_locking`](#structfield.key_locking).
    #[must_use]
    pub fn key_locking(mut self, can: bool) -> Self {
        self.key_locking = can;
        self
    }

    /// Sets [`Capabilities::pipeline_commands`](#structfield.pipeline_commands), at least 1, and
    /// [`Capabilities::pipeline_bytes`](#structfield.pipeline_bytes). Default: no limit.
    #[must_use]
    pub fn pipeline_limits(mut self, commands: usize, bytes: usize) -> Self {
        self.pipeline_commands = commands.max(1);
        self.pipeline_bytes = bytes;
        self
    }

    /// How many of these commands fit into the first round trip of a pipeline. A command that is too long is sent alone.
    fn first_part(&self, commands: &[Command]) -> usize {
        let mut bytes = 0_usize;
        let fits = commands.iter().take(self.pipeline_commands).take_while(|command| {
            bytes = bytes.saturating_add(command.len_in_batch());
            bytes <= self.pipeline_bytes
        });
        fits.count().max(1).min(commands.len())
    }

    /// Sets [`Capabilities::falls_back`](#structfield.falls_back).
    #[must_use]
    pub fn falls_back(mut self, does: bool) -> Self {
        self.falls_back = does;
        self
    }

    /// Refuses a command that the transport cannot serve: a command that waits, where the transport cannot wait, and a command
    /// that would disturb others on a shared connection, such as `CLIENT REPLY`, SELECT or SHUTDOWN. A subcommand that is not in
    /// the table of commands is refused too. A command that is not in the table is not refused, and counts as a write.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`]. The message says what to do instead.
    pub fn check(&self, command: &Command) -> Result<()> {
        let refused = |why: &'static str| {
            Err(Error::new(ErrorKind::Unsupported, why).with_command(|| command.label()))
        };
        if let Some(refusal) = command.info().refused {
            return refused(refusal.advice());
        }
        if matches!(command.name(), "POST" | "HOST:") {
            return refused(
                "Redis takes this word for an HTTP request and closes the connection, which others share",
            );
        }
        if command.is_unknown_subcommand() {
            return refused(
                "this subcommand is not known and may change the state of the shared connection: send it by redis-cli",
            );
        }
        if !self.blocking && command.is_blocking() {
            return refused(
                "this transport cannot wait for data or replicas: poll with the command's plain form, or use TCP",
            );
        }
        Ok(())
    }
}

/// Sends a pipeline in as many parts as these capabilities require, one after the other. If a part is lost, the parts after
/// it are not sent, and each item's error has its outcome. If the first part is lost, the whole call fails.
pub(crate) async fn in_parts<'a, F>(
    capabilities: Capabilities,
    commands: &'a [Command],
    send: impl Fn(&'a [Command]) -> F,
) -> Result<Results>
where
    F: Future<Output = Result<Results>>,
{
    let (mut part, mut rest) = commands.split_at(capabilities.first_part(commands));
    if part.is_empty() {
        return Ok(Vec::new());
    }
    if !rest.is_empty() && !capabilities.binary_batches {
        // This is checked before the first part is sent.
        let is_text = |arg| std::str::from_utf8(arg).is_ok();
        if let Some(command) = commands.iter().find(|command| !command.args().all(is_text)) {
            return Err(not_utf8(command));
        }
    }
    let mut results = send(part).await?;
    while !rest.is_empty() {
        (part, rest) = rest.split_at(capabilities.first_part(rest));
        match send(part).await {
            Ok(more) => results.extend(more),
            Err(error) => {
                results.extend(part.iter().map(|_| Err(error.clone())));
                let unsent = error.with_outcome(Outcome::NotSent);
                results.extend(rest.iter().map(|_| Err(unsent.clone())));
                break;
            }
        }
    }
    Ok(results)
}

pub(crate) fn not_utf8(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "over REST, arguments inside pipelines and transactions must be UTF-8: send this command alone, or store its bytes as \
         text (base64)",
    )
    .with_command(|| command.label())
}

/// The results of a batch, with no argument of its commands in any error. Every transport calls it on the results of its
/// server; see [`Error::redacted`].
pub(crate) fn redacted(commands: &[Command], results: Result<Results>) -> Result<Results> {
    let results =
        results.map_err(|error| error.redacted(commands.iter().flat_map(Command::args)))?;
    let mut commands = commands.iter();
    let item = |result: Result<Value>| match (result, commands.next()) {
        (Err(error), Some(command)) => Err(error.redacted(command.args())),
        (result, _) => result,
    };
    Ok(results.into_iter().map(item).collect())
}
