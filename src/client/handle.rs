use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::call::Call;
use super::sender::Sender;
use super::subscriber::Subscriber;
use crate::command::{Command, Execute, Script, ToArg};
use crate::layer::Layer;
use crate::transport::{Capabilities, Results, Subscription, Transport, in_parts, redacted};
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// A client of Redis, over any transport. Clones share the transport.
///
/// The typed commands are the traits of [`command`](crate::command); `use edgecask::prelude::*;` brings them in.
///
/// ```
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.set("key", "value").await?;
/// let value: Option<String> = client.get("key").await?;
/// assert_eq!(value.as_deref(), Some("value"));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client(pub(super) Sender);

impl Client {
    /// A client over this transport, with no layer around it: a call takes as long as the server takes. For a remote server
    /// with the default [`Deadline`](crate::layer::Deadline), there are [`Client::rest_with`], `Client::tcp_with` and
    /// [`Client::builder`].
    pub fn new(transport: impl Transport) -> Self {
        Self::over(Arc::new(transport))
    }

    pub(super) fn over(transport: Arc<dyn Transport>) -> Self {
        Self(Sender { transport, support: Arc::default() })
    }

    /// A client over a new, empty embedded engine.
    #[cfg(feature = "memory")]
    pub fn memory() -> Self {
        Self::new(crate::transport::memory::MemoryTransport::new())
    }

    /// A client over the Upstash REST API at this URL, with the default [`Deadline`](crate::layer::Deadline).
    ///
    /// ```
    /// use edgecask::Client;
    ///
    /// let client = Client::rest("https://example.upstash.io", "token")?;
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL or the token cannot be used.
    #[cfg(feature = "rest")]
    pub fn rest(url: &str, token: &str) -> Result<Self> {
        Self::rest_with(crate::transport::rest::RestOptions::new(url, token))
    }

    /// As [`Client::rest`], with these settings.
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::transport::rest::RestOptions;
    ///
    /// let options = RestOptions::new("http://redis-http:8080", "token").allow_http(true);
    /// let client = Client::rest_with(options)?;
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`RestTransport::new`](crate::transport::rest::RestTransport::new).
    #[cfg(feature = "rest")]
    pub fn rest_with(options: crate::transport::rest::RestOptions) -> Result<Self> {
        let transport = crate::transport::rest::RestTransport::new(options)?;
        Ok(Self::new(transport).layer(crate::layer::Deadline::default()))
    }

    /// A client over TCP to a `redis://` URL, with the default [`Deadline`](crate::layer::Deadline). It connects when
    /// the first command is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL cannot be used.
    #[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
    pub fn tcp(url: &str) -> Result<Self> {
        Self::tcp_with(crate::transport::tcp::TcpOptions::new(url))
    }

    /// As [`Client::tcp`], with these settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the settings cannot be used.
    #[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
    pub fn tcp_with(options: crate::transport::tcp::TcpOptions) -> Result<Self> {
        let transport = crate::transport::tcp::TcpTransport::new(options)?;
        Ok(Self::new(transport).layer(crate::layer::Deadline::default()))
    }

    /// The same client with a layer around its transport. The layer that is added last sees a command first.
    #[must_use]
    pub fn layer(self, layer: impl Layer) -> Self {
        Self(Sender { transport: layer.wrap(self.0.transport), support: self.0.support })
    }

    /// The transport inside of its layers. A call to it skips what the client does: the check of
    /// [`Capabilities::check`], and the removal of arguments from the texts of errors. It is for proxies, which pass the
    /// server's own text on to the client that sent the arguments.
    ///
    /// ```
    /// use edgecask::{Client, Command};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let error = client.transport().send(&Command::new("NOSUCH")).await.unwrap_err();
    /// assert_eq!(error.message(), "ERR unknown command 'NOSUCH'");
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn transport(&self) -> &dyn Transport {
        &*self.0.transport
    }

    /// What the transport can do.
    pub fn capabilities(&self) -> Capabilities {
        let capabilities = self.0.transport.capabilities();
        let key_locking = capabilities.key_locking && self.0.support.key_locking();
        capabilities.key_locking(key_locking)
    }

    /// The token by which reads of another client, in another process or request, see the writes of this one. Pass it to
    /// [`Client::set_sync_token`] there. It is `None` where every read sees every write anyway (TCP and the embedded engine),
    /// where [`read_your_writes`](crate::transport::rest::RestOptions::read_your_writes) is off, and before the first command.
    /// After writes that overlapped, send one more command before you take the token: until then no single token covers all
    /// of them.
    pub fn sync_token(&self) -> Option<String> {
        self.0.transport.sync_token()
    }

    /// Lets reads see the writes of another client, up to the moment when it took this token.
    pub fn set_sync_token(&self, token: &str) {
        self.0.transport.set_sync_token(token);
    }

    /// Sends a command and returns the reply without conversion: one round trip.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before anything is sent, or the transport's error.
    pub async fn send(&self, command: &Command) -> Result<Value> {
        self.0.send(command).await
    }

    /// Sends commands in order in one round trip, and returns the replies without conversion.
    ///
    /// A pipeline that is longer than [`Capabilities::pipeline_commands`] or [`Capabilities::pipeline_bytes`] is sent in
    /// several round trips, one after the other. Every layer sees each of them as a separate call with its own deadline and
    /// its own retries. If one is lost, its items have that error, and the items before it have their replies. The items after
    /// it are not sent; they have the outcome [`Outcome::NotSent`](crate::Outcome::NotSent).
    ///
    /// # Errors
    /// As for [`Client::send`], if the first round trip failed.
    pub async fn send_pipeline(&self, commands: &[Command]) -> Result<Results> {
        self.check(commands)?;
        let send = |part| self.0.transport.pipeline(part);
        let results = in_parts(self.capabilities(), commands, send).await;
        Ok(named(commands, redacted(commands, results)?))
    }

    /// Runs commands as a unit in one round trip, and returns the replies without conversion.
    ///
    /// # Errors
    /// As for [`Client::send_pipeline`], and [`ErrorKind::Discarded`].
    pub async fn send_transaction(&self, commands: &[Command]) -> Result<Results> {
        self.check(commands)?;
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let results = self.0.transport.transaction(commands).await;
        Ok(named(commands, redacted(commands, results)?))
    }

    fn check(&self, commands: &[Command]) -> Result<()> {
        let capabilities = self.capabilities();
        commands.iter().try_for_each(|command| capabilities.check(command))
    }

    /// Runs a script by EVALSHA, and by EVAL if the server does not know it yet. One round trip, rarely two.
    pub fn run_script<R: FromValue>(
        &self,
        script: &Script,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Call<R> {
        let evalsha = script.evalsha(keys, args);
        Call::of_script(self.0.clone(), script.clone(), evalsha, R::from_value)
    }

    /// The messages of some channels, from now on. Redis SUBSCRIBE. The subscriber reconnects by itself and shows every gap.
    /// Dropping it unsubscribes.
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let mut news = client.subscribe(["news"]).await?;
    /// client.publish("news", "hello").await?;
    /// assert_eq!(news.message().await?.payload, "hello");
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Over REST each channel has a request that stays open. A Worker may have six of them.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where [`Capabilities::subscriptions`] is `false`, and the transport's error if the first
    /// attempt fails.
    pub async fn subscribe(
        &self,
        channels: impl IntoIterator<Item = impl Into<Bytes>>,
    ) -> Result<Subscriber> {
        self.listen(Subscription::channels(channels)).await
    }

    /// The messages of all channels that match some globs, such as `news.*`. Redis PSUBSCRIBE.
    ///
    /// # Errors
    /// As for [`Client::subscribe`].
    pub async fn psubscribe(
        &self,
        patterns: impl IntoIterator<Item = impl Into<Bytes>>,
    ) -> Result<Subscriber> {
        self.listen(Subscription::patterns(patterns)).await
    }

    /// The messages of some shard channels, from now on. Redis SSUBSCRIBE, since Redis 7. They are published by
    /// [`spublish`](crate::command::pubsub::PubSubCommands::spublish), and are apart from other channels of the same names.
    ///
    /// In a cluster, a shard channel has a slot as a key has. Its messages stay at the servers of this slot, where those of a
    /// channel go to all servers. The subscriber listens at the slot's primary: one connection for each primary that owns one of
    /// the channels. If a slot moves, the subscriber shows a gap and listens at its new owner.
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let mut orders = client.ssubscribe(["orders:{acme}"]).await?;
    /// client.spublish("orders:{acme}", "new").await?;
    /// assert_eq!(orders.message().await?.payload, "new");
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Client::subscribe`], and [`ErrorKind::Unsupported`] over REST, which has no such subscription.
    pub async fn ssubscribe(
        &self,
        channels: impl IntoIterator<Item = impl Into<Bytes>>,
    ) -> Result<Subscriber> {
        self.listen(Subscription::shard_channels(channels)).await
    }

    /// Every command that the server carries out from now on. The payload of each message is a line of text with the time, the
    /// client and the command. Redis MONITOR. It is for debugging, because it slows the server down and shows values.
    ///
    /// # Errors
    /// As for [`Client::subscribe`].
    pub async fn monitor(&self) -> Result<Subscriber> {
        self.listen(Subscription::Monitor).await
    }

    /// Subscribes to anything that a [`Subscription`] can name.
    ///
    /// # Errors
    /// As for [`Client::subscribe`].
    pub async fn listen(&self, to: Subscription) -> Result<Subscriber> {
        let topics = match &to {
            Subscription::Channels(names)
            | Subscription::Patterns(names)
            | Subscription::ShardChannels(names) => names.len(),
            Subscription::Monitor => 1,
        };
        if topics == 0 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "a subscription needs at least one channel or pattern",
            ));
        }
        Subscriber::start(Arc::clone(&self.0.transport), to).await
    }
}

/// Adds the command to each item's error.
fn named(commands: &[Command], results: Results) -> Results {
    let pairs = results.into_iter().zip(commands);
    pairs
        .map(|(result, command)| result.map_err(|error| error.with_command(|| command.label())))
        .collect()
}

impl Execute for Client {
    type Reply<R> = Call<R>;

    fn execute_with<R>(&self, command: Command, convert: fn(Value) -> Result<R>) -> Call<R> {
        Call::new(self.0.clone(), command, convert)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("transport", &self.0.transport).finish()
    }
}
