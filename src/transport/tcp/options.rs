use std::fmt;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{ConnectionAddr, ConnectionInfo, TlsCertificates};
use secrecy::{ExposeSecret, SecretString};

use crate::{Error, ErrorKind, Result};

/// How many questions of a keepalive go unanswered before the connection is lost.
const PROBES: u32 = 3;

/// The settings of a [`TcpTransport`](super::TcpTransport).
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
    pub(super) topology: Topology,
    resp3: bool,
    username: Option<String>,
    password: Option<SecretString>,
    sentinel_username: Option<String>,
    sentinel_password: Option<SecretString>,
    pub(super) connect_timeout: Duration,
    keepalive: Duration,
    root_certificate: Option<Vec<u8>>,
}

/// What stands behind the URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topology {
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
    /// those of the first URL, for the primary; the sentinels are asked without, or as
    /// [`sentinel_password`](Self::sentinel_password) says. With `rediss://` the primary speaks TLS as the sentinels do.
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
            sentinel_username: None,
            sentinel_password: None,
            connect_timeout: Duration::from_secs(5),
            keepalive: Duration::from_secs(15),
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

    /// The name of an ACL user of the sentinels. Default: the user `default`.
    #[must_use]
    pub fn sentinel_username(mut self, username: impl Into<String>) -> Self {
        self.sentinel_username = Some(username.into());
        self
    }

    /// The password of the sentinels. Default: none.
    #[must_use]
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.sentinel_password = Some(password.into().into());
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

    /// How long a connection may be silent before TCP asks whether the other side is still there. One that went away
    /// without a word, such as a host that lost its power, is noticed after twice as long, and then the next command
    /// connects again and a subscription shows its gap. In whole seconds, at least one. Default: 15 seconds.
    #[must_use]
    pub fn keepalive(mut self, silence: Duration) -> Self {
        self.keepalive = silence.max(Duration::from_secs(1));
        self
    }

    /// The certificate, in PEM, of the authority that signed the server's. Default: those that the system trusts.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }
}

/// What the `redis` crate makes of the settings.
impl TcpOptions {
    /// A client of the first server.
    pub(super) fn server(&self) -> Result<redis::Client> {
        self.open(self.first()?)
    }

    /// A client of each server that is given.
    pub(super) fn servers(&self) -> Result<Vec<redis::Client>> {
        self.infos()?.into_iter().map(|info| self.open(info)).collect()
    }

    pub(super) fn cluster_client(&self) -> Result<ClusterClient> {
        let infos = self.infos()?;
        let settings = self.first()?.redis_settings().clone();
        let mut builder = ClusterClient::builder(infos)
            .retries(0)
            .connection_timeout(self.connect_timeout)
            .response_timeout(Duration::MAX)
            .overall_response_timeout(None)
            .use_protocol(settings.protocol())
            .tcp_settings(self.tcp_settings());
        if let Some(name) = settings.username() {
            builder = builder.username(name);
        }
        if let Some(password) = settings.password() {
            builder = builder.password(password);
        }
        if self.root_certificate.is_some() {
            builder = builder.certs(self.certificates()?);
        }
        builder.build().map_err(bad_settings)
    }

    pub(super) fn sentinel_client(&self, name: &str) -> Result<SentinelClient> {
        let first = self.first()?;
        let addresses: Vec<ConnectionAddr> =
            self.infos()?.iter().map(|info| info.addr().clone()).collect();
        let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)
            .map_err(bad_settings)?
            .set_client_to_redis_db(first.redis_settings().db())
            .set_client_to_redis_protocol(first.redis_settings().protocol())
            .set_client_to_redis_tcp_settings(self.tcp_settings())
            .set_client_to_sentinel_tcp_settings(self.tcp_settings());
        if is_tls(&first) {
            let certificates = self.certificates()?;
            builder = builder
                .set_client_to_redis_tls_mode(redis::TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        if let Some(name) = first.redis_settings().username() {
            builder = builder.set_client_to_redis_username(name);
        }
        if let Some(password) = first.redis_settings().password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(name) = &self.sentinel_username {
            builder = builder.set_client_to_sentinel_username(name);
        }
        if let Some(password) = &self.sentinel_password {
            builder = builder.set_client_to_sentinel_password(password.expose_secret());
        }
        builder.build().map_err(bad_settings)
    }

    fn first(&self) -> Result<ConnectionInfo> {
        match self.urls.first() {
            Some(url) => self.info(url),
            None => Err(Error::new(ErrorKind::Config, "there is no URL of a Redis server")),
        }
    }

    fn infos(&self) -> Result<Vec<ConnectionInfo>> {
        self.urls.iter().map(|url| self.info(url)).collect()
    }

    fn info(&self, url: &SecretString) -> Result<ConnectionInfo> {
        // The crate's own message may quote the URL, and with it the password.
        let bad_url = |_| {
            Error::new(
                ErrorKind::Config,
                "the Redis URL is not of the form redis://[user[:password]@]host[:port][/database], or rediss://… for TLS",
            )
        };
        let url = url.expose_secret().trim();
        let info = redis::IntoConnectionInfo::into_connection_info(url).map_err(bad_url)?;
        if is_tls(&info) {
            // Where an application brings several providers, rustls would panic for want of a choice. One that was
            // installed before stays.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
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
        Ok(info.set_redis_settings(settings).set_tcp_settings(self.tcp_settings()))
    }

    fn open(&self, info: ConnectionInfo) -> Result<redis::Client> {
        let client = if is_tls(&info) {
            redis::Client::build_with_tls(info, self.certificates()?)
        } else {
            redis::Client::open(info)
        };
        client.map_err(bad_settings)
    }

    fn certificates(&self) -> Result<TlsCertificates> {
        let pem = self.root_certificate.as_deref().map(String::from_utf8_lossy);
        // What holds no certificate would only show when nothing can be connected to.
        if pem.is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----")) {
            return Err(Error::new(ErrorKind::Config, "the root certificate is not in PEM"));
        }
        Ok(TlsCertificates { client_tls: None, root_cert: self.root_certificate.clone() })
    }

    fn tcp_settings(&self) -> TcpSettings {
        let keepalive = TcpKeepalive::new()
            .with_time(self.keepalive)
            .with_interval((self.keepalive / PROBES).max(Duration::from_secs(1)))
            .with_retries(PROBES);
        let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
        // What was sent and not acknowledged is no silence: without this it would be sent again for a quarter of an hour.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let settings = settings.set_user_timeout(self.keepalive * 2);
        settings
    }
}

fn is_tls(info: &ConnectionInfo) -> bool {
    matches!(info.addr(), ConnectionAddr::TcpTls { .. })
}

fn bad_settings(error: redis::RedisError) -> Error {
    Error::new(ErrorKind::Config, "these connection settings cannot be used").with_source(error)
}

impl fmt::Debug for TcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
