//! Redis over TCP: one multiplexed connection that comes back by itself, over the `redis` crate.

mod convert;

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use self::convert::{error_from, line_from, message_from, packed, value_from};
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
    url: SecretString,
    username: Option<String>,
    password: Option<SecretString>,
    connect_timeout: Duration,
    root_certificate: Option<Vec<u8>>,
}

impl TcpOptions {
    /// A `redis://[user[:password]@]host[:port][/database]` URL, or `rediss://…` for TLS.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into().into(),
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
/// command whose answer was lost is not sent again.
pub struct TcpTransport {
    client: redis::Client,
    config: ConnectionManagerConfig,
    /// Made inside the runtime that sends the first command.
    manager: OnceCell<ConnectionManager>,
}

impl TcpTransport {
    /// A transport with these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL cannot be used.
    pub fn new(options: TcpOptions) -> Result<Self> {
        let url = options.url.expose_secret().trim();
        // The crate's own message may quote the URL, and with it the password.
        let bad_url = |_| {
            Error::new(
                ErrorKind::Config,
                "the Redis URL is not of the form redis://[user[:password]@]host[:port][/database], or rediss://… for TLS",
            )
        };
        let mut info = redis::IntoConnectionInfo::into_connection_info(url).map_err(bad_url)?;
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &options.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &options.password {
            settings = settings.set_password(password.expose_secret());
        }
        info = info.set_redis_settings(settings);
        // A call fails when the connection does; the next call tries again. Deadlines are a layer's business.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(options.connect_timeout))
            .set_response_timeout(None);
        Ok(Self { client: open(info, options.root_certificate)?, config, manager: OnceCell::new() })
    }

    async fn connection(&self) -> Result<ConnectionManager> {
        let connect = || async {
            ConnectionManager::new_lazy_with_config(self.client.clone(), self.config.clone())
        };
        self.manager.get_or_try_init(connect).await.cloned().map_err(error_from)
    }

    async fn send_all(
        &self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> Result<Vec<redis::Value>> {
        let mut connection = self.connection().await?;
        let replies =
            connection.send_packed_commands(pipeline, 0, count).await.map_err(error_from)?;
        if replies.len() == count {
            return Ok(replies);
        }
        Err(Error::new(
            ErrorKind::Protocol,
            format!("{count} commands were sent, {} replies came back", replies.len()),
        ))
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
    client.map_err(|error| {
        Error::new(ErrorKind::Config, "the settings of TLS cannot be used").with_source(error)
    })
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport")
            .field("address", &self.client.get_connection_info().addr().to_string())
            .finish_non_exhaustive()
    }
}

impl Transport for TcpTransport {
    fn capabilities(&self) -> Capabilities {
        // Not blocking: a command that waits would hold up everybody else on the one connection.
        Capabilities::new(Backend::Redis).binary_batches(true).subscriptions(true).lua(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let reply = connection.send_packed_command(&packed(command)).await;
            value_from(reply.map_err(error_from)?)
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
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
                let monitor = self.client.get_async_monitor().await.map_err(error_from)?;
                let lines = monitor.into_on_message::<redis::Value>().map(line_from);
                return Ok(lines.boxed());
            }
            let mut pubsub = self.client.get_async_pubsub().await.map_err(error_from)?;
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
