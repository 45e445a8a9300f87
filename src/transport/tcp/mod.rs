//! Redis over TCP: one server, a cluster, or the primary that sentinels name, over the `redis` crate.

mod cluster;
mod convert;
mod kept;
mod sentinel;

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType};
use secrecy::{ExposeSecret, SecretString};

use self::cluster::Cluster;
use self::convert::{error_from, line_from, message_from, packed, value_from};
use self::kept::Kept;
use self::sentinel::Sentinel;
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use crate::command::Command;
use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Result, Value};

/// The settings of a [`TcpTransport`].
///
/// ```
/// use edgecask::transport::tcp::TcpOptions;
/// use std::time::Duration;
///
/// let options = TcpOptions::new("redis://127.0.0.1:6379/0")
///     .password("secret")
///     .connect_timeout(Duration::from_secs(2));
/// assert!(!format!("{options:?}").contains("secret"));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct TcpOptions {
    urls: Vec<SecretString>,
    topology: Topology,
    resp3: bool,
    username: Option<String>,
    password: Option<SecretString>,
    connect_timeout: Duration,
    root_certificate: Option<Vec<u8>>,
}

/// What stands behind the URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Topology {
    Server,
    Cluster,
    /// Sentinels that watch the primary of this name.
    Sentinel(String),
}

impl TcpOptions {
    /// A `redis://[user[:password]@]host[:port][/database]` URL, or `rediss://…` for TLS.
    pub fn new(url: impl Into<String>) -> Self {
        Self::of(Topology::Server, [url])
    }

    /// A cluster, by the URLs of some of its nodes. Commands go to the nodes of their keys; a pipeline goes to all of its
    /// nodes at once; the keys of a transaction or a script have to be of one slot (`{tag}`). SCAN visits all primaries.
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::of(Topology::Cluster, urls)
    }

    /// The primary that some sentinels, given by their URLs, know by this name. User name, password and database are
    /// those of the first URL, for the primary; the sentinels are asked without.
    ///
    /// ```
    /// use edgecask::transport::tcp::TcpOptions;
    ///
    /// let options = TcpOptions::sentinel(["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"], "mymaster");
    /// ```
    pub fn sentinel(
        urls: impl IntoIterator<Item = impl Into<String>>,
        name: impl Into<String>,
    ) -> Self {
        Self::of(Topology::Sentinel(name.into()), urls)
    }

    fn of(topology: Topology, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            urls: urls.into_iter().map(|url| url.into().into()).collect(),
            topology,
            resp3: false,
            username: None,
            password: None,
            connect_timeout: Duration::from_secs(5),
            root_certificate: None,
        }
    }

    /// The name of an ACL user, instead of the URL's. Default: the user `default`.
    #[must_use]
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// The password, instead of the URL's.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into().into());
        self
    }

    /// Speaks RESP3, Redis 6's protocol. Replies are converted to the same values. Default: `false`.
    #[must_use]
    pub fn resp3(mut self, yes: bool) -> Self {
        self.resp3 = yes;
        self
    }

    /// How long making a connection may take. Default: 5 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The certificate, in PEM, of the authority that signed the server's. Default: those that the system trusts.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }
}

impl fmt::Debug for TcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

/// The transport over TCP. It connects when the first command is sent, and again after the connection was lost; a
/// command whose answer was lost is not sent again. A command that waits for data (BLPOP, …) has a connection of its own
/// for as long as it waits.
pub struct TcpTransport {
    link: Link,
    connect_timeout: Duration,
}

enum Link {
    Server { client: redis::Client, kept: Kept },
    Cluster(Cluster),
    Sentinel(Sentinel),
}

impl TcpTransport {
    /// A transport with these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a URL cannot be used.
    pub fn new(options: TcpOptions) -> Result<Self> {
        let infos: Vec<_> =
            options.urls.iter().map(|url| options.info(url)).collect::<Result<_>>()?;
        let Some(first) = infos.first().cloned() else {
            return Err(Error::new(ErrorKind::Config, "there is no URL of a Redis server"));
        };
        let connect_timeout = options.connect_timeout;
        let link = match &options.topology {
            Topology::Server => {
                let client = open(first, options.root_certificate)?;
                Link::Server { client, kept: Kept::default() }
            }
            Topology::Cluster => {
                let settings = first.redis_settings();
                let mut builder = redis::cluster::ClusterClient::builder(infos.clone())
                    .retries(0)
                    .connection_timeout(connect_timeout)
                    .response_timeout(Duration::MAX)
                    .overall_response_timeout(None)
                    .use_protocol(settings.protocol());
                if let Some(name) = settings.username() {
                    builder = builder.username(name);
                }
                if let Some(password) = settings.password() {
                    builder = builder.password(password);
                }
                let seeds = infos
                    .into_iter()
                    .map(|info| open(info, options.root_certificate.clone()))
                    .collect::<Result<_>>()?;
                if let Some(root_cert) = options.root_certificate {
                    let root_cert = Some(root_cert);
                    builder = builder.certs(redis::TlsCertificates { client_tls: None, root_cert });
                }
                Link::Cluster(Cluster::new(builder.build().map_err(bad_settings)?, seeds))
            }
            Topology::Sentinel(name) => {
                let node = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(first.redis_settings().clone());
                let bare = |info: redis::ConnectionInfo| {
                    info.set_redis_settings(redis::RedisConnectionInfo::default())
                };
                let sentinels = infos.into_iter().map(bare).collect();
                let master = SentinelServerType::Master;
                let client = SentinelClient::build(sentinels, name, Some(node), master);
                Link::Sentinel(Sentinel::new(client.map_err(bad_settings)?, connect_timeout))
            }
        };
        Ok(Self { link, connect_timeout })
    }

    async fn send_all(
        &self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> Result<Vec<redis::Value>> {
        let replies = match &self.link {
            Link::Cluster(cluster) => cluster.transaction(pipeline, count).await,
            _ => {
                let call = async |mut connection: MultiplexedConnection| {
                    connection.send_packed_commands(pipeline, 0, count).await
                };
                self.call(call).await
            }
        }?;
        if replies.len() == count {
            return Ok(replies);
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("{count} commands were sent, {} replies came back", replies.len()),
        ))
    }

    /// Makes a call to the one server that there is, or to the primary.
    async fn call<T>(
        &self,
        call: impl AsyncFnOnce(MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T> {
        match &self.link {
            Link::Server { client, kept } => {
                kept.call(async || kept::connect(client, self.connect_timeout).await, call).await
            }
            Link::Sentinel(sentinel) => sentinel.call(call).await,
            Link::Cluster(_) => {
                Err(Error::new(ErrorKind::Unsupported, "a cluster is no single server"))
            }
        }
    }

    /// Sends a command that waits for data, on a connection of its own.
    async fn wait_for(&self, command: &Command) -> Result<Value> {
        let client = self.one_server().await?;
        let mut connection = kept::connect(&client, self.connect_timeout).await?;
        let reply = connection.send_packed_command(&packed(command)).await;
        value_from(reply.map_err(error_from)?)
    }

    /// A client of one server, for what needs a connection of its own.
    async fn one_server(&self) -> Result<redis::Client> {
        match &self.link {
            Link::Server { client, .. } => Ok(client.clone()),
            Link::Sentinel(sentinel) => sentinel.primary().await,
            Link::Cluster(cluster) => {
                for client in &cluster.seeds {
                    if kept::connect(client, self.connect_timeout).await.is_ok() {
                        return Ok(client.clone());
                    }
                }
                Err(Error::new(ErrorKind::Connect, "none of the given nodes is reached"))
            }
        }
    }
}

impl TcpOptions {
    fn info(&self, url: &SecretString) -> Result<redis::ConnectionInfo> {
        // The crate's own message may quote the URL, and with it the password.
        let bad_url = |_| {
            Error::new(
                ErrorKind::Config,
                "the Redis URL is not of the form redis://[user[:password]@]host[:port][/database], or rediss://… for TLS",
            )
        };
        let url = url.expose_secret().trim();
        let info = redis::IntoConnectionInfo::into_connection_info(url).map_err(bad_url)?;
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password.expose_secret());
        }
        if self.resp3 {
            settings = settings.set_protocol(redis::ProtocolVersion::RESP3);
        }
        Ok(info.set_redis_settings(settings))
    }
}

/// Checks the settings; with TLS also the certificate.
fn open(info: redis::ConnectionInfo, root_certificate: Option<Vec<u8>>) -> Result<redis::Client> {
    let tls = matches!(info.addr(), redis::ConnectionAddr::TcpTls { .. });
    let client = if tls {
        // Where an application brings several providers, rustls would panic for want of a choice. One that was installed
        // before stays.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let pem = root_certificate.as_deref().map(String::from_utf8_lossy);
        // What holds no certificate would only show when nothing can be connected to.
        if pem.is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
            return Err(Error::new(ErrorKind::Config, "the root certificate is not in PEM"));
        }
        let certificates = redis::TlsCertificates { client_tls: None, root_cert: root_certificate };
        redis::Client::build_with_tls(info, certificates)
    } else {
        redis::Client::open(info)
    };
    client.map_err(bad_settings)
}

fn bad_settings(error: redis::RedisError) -> Error {
    Error::new(ErrorKind::Config, "these connection settings cannot be used").with_source(error)
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TcpTransport");
        match &self.link {
            Link::Server { client, .. } => {
                out.field("address", &client.get_connection_info().addr().to_string())
            }
            Link::Cluster(_) => out.field("topology", &"cluster"),
            Link::Sentinel(_) => out.field("topology", &"sentinel"),
        };
        out.finish_non_exhaustive()
    }
}

impl Transport for TcpTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis)
            .binary_batches(true)
            .blocking(!matches!(self.link, Link::Cluster(_)))
            .subscriptions(true)
            .lua(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if command.is_blocking() {
            return Box::pin(self.wait_for(command));
        }
        match &self.link {
            Link::Cluster(cluster) => Box::pin(cluster.send(command)),
            Link::Server { client, kept } => Box::pin(async move {
                let cmd = packed(command);
                let connect = async || kept::connect(client, self.connect_timeout).await;
                let call = async |mut connection: MultiplexedConnection| {
                    connection.send_packed_command(&cmd).await
                };
                value_from(kept.call(connect, call).await?)
            }),
            Link::Sentinel(sentinel) => Box::pin(async move {
                let cmd = packed(command);
                let call = async |mut connection: MultiplexedConnection| {
                    connection.send_packed_command(&cmd).await
                };
                value_from(sentinel.call(call).await?)
            }),
        }
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            if let Some(waits) = commands.iter().find(|command| command.is_blocking()) {
                return Err(waits_in_batch(waits));
            }
            if let Link::Cluster(cluster) = &self.link {
                return cluster.pipeline(commands).await;
            }
            let mut pipeline = redis::Pipeline::with_capacity(commands.len());
            for command in commands {
                pipeline.add_command(packed(command));
            }
            let replies = self.send_all(&pipeline, commands.len()).await?;
            Ok(replies.into_iter().map(value_from).collect())
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let mut pipeline = redis::Pipeline::with_capacity(commands.len() + 2);
            pipeline.add_command(redis::cmd("MULTI"));
            for command in commands {
                pipeline.add_command(packed(command));
            }
            pipeline.add_command(redis::cmd("EXEC"));
            let mut replies = self.send_all(&pipeline, commands.len() + 2).await?;
            let exec = replies.pop().unwrap_or_default();
            let refusal = replies.into_iter().find_map(|reply| value_from(reply).err());
            match (exec, refusal) {
                (redis::Value::Array(items), None) if items.len() == commands.len() => {
                    Ok(items.into_iter().map(value_from).collect())
                }
                (_, Some(refusal)) => Err(refusal.into_discarded()),
                (exec, None) => {
                    value_from(exec)?;
                    Err(Error::new(ErrorKind::Protocol, "EXEC did not answer with its replies"))
                }
            }
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(async move {
            if *to == Subscription::Monitor {
                let client = self.one_server().await?;
                let monitor = client.get_async_monitor().await.map_err(error_from)?;
                let lines = monitor.into_on_message::<redis::Value>().map(line_from);
                return Ok(lines.boxed());
            }
            let client = self.one_server().await?;
            let mut pubsub = client.get_async_pubsub().await.map_err(error_from)?;
            match to {
                Subscription::Channels(channels) => {
                    let names: Vec<&[u8]> = channels.iter().map(|name| &name[..]).collect();
                    pubsub.subscribe(names).await
                }
                Subscription::Patterns(patterns) => {
                    let names: Vec<&[u8]> = patterns.iter().map(|name| &name[..]).collect();
                    pubsub.psubscribe(names).await
                }
                Subscription::Monitor => Ok(()),
            }
            .map_err(error_from)?;
            Ok(pubsub.into_on_message().map(|message| message_from(&message)).boxed())
        })
    }
}

fn waits_in_batch(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a command that waits for data cannot be in a pipeline: it would hold up everybody else",
    )
    .with_command(|| command.label())
}
