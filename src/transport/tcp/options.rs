use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsConnector;

use super::dial::Dialer;
use super::endpoint::{BadUrl, Endpoint};
use super::pool::PoolSize;
use super::sentinel::Sentinels;
use crate::{Error, ErrorKind, Result};

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
    hung_after: Duration,
    verify_after: Duration,
    max_reply_bytes: usize,
    /// The pool of connections for commands that wait.
    pub(super) waiting: PoolSize,
    root_certificate: Option<Vec<u8>>,
    /// The chain and its private key, both in PEM.
    client_certificate: Option<(Vec<u8>, SecretString)>,
}

/// The servers that the URLs name.
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

    /// A cluster, by the URLs of some of its servers, which are tried side by side. User name, password and TLS are those of
    /// the first URL. Commands go to the servers of their keys; the keys of a transaction or a script have to be of one slot
    /// (`{tag}`). See [`TcpTransport`](super::TcpTransport#clusters). A
    /// [`KeyPrefix`](crate::layer::KeyPrefix) on a cluster needs a hash tag where a cache is used behind it.
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::of(Topology::Cluster, urls)
    }

    /// The primary that some sentinels, given by their URLs, know by this name. User name, password and database are
    /// those of the first URL, for the primary; the sentinels are asked without a password, unless
    /// [`sentinel_password`](Self::sentinel_password) sets one. With `rediss://` the primary speaks TLS as the sentinels do.
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
            connect_timeout: Duration::from_secs(2),
            keepalive: Duration::from_secs(15),
            hung_after: Duration::from_secs(2),
            verify_after: Duration::from_secs(1),
            max_reply_bytes: 64 << 20,
            waiting: PoolSize { most: 32, min_idle: 0 },
            root_certificate: None,
            client_certificate: None,
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

    /// How long making a connection may take, with all that it needs: names, TLS, sentinels. A call whose connection is not
    /// made in time fails with [`ErrorKind::Connect`] and was not sent. Default: 2 seconds. The default
    /// [`Deadline`](crate::layer::Deadline) is 5 seconds, so there is time for a second attempt. An attempt goes on when the
    /// call that began it is given up, and the next call waits for the same attempt.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a connection may be silent before TCP probes the other side. A host that is gone without notice, for example
    /// after a power failure, is detected after twice this time. Then the next command connects again, and a subscription
    /// shows its gap. In whole seconds, from 1 to 32,767, which is the longest that Linux takes. Default: 15 seconds.
    #[must_use]
    pub fn keepalive(mut self, silence: Duration) -> Self {
        self.keepalive = silence.clamp(Duration::from_secs(1), Duration::from_secs(32_767));
        self
    }

    /// How long no reply may come, after a call was given up by its deadline or its caller, before the shared connection
    /// counts as hung. The connection may be cut, or the server may be busy with an endless command. The next call then opens
    /// a new connection, and calls on the old one go on waiting. Any reply shows that a connection works. Default: 2 seconds.
    #[must_use]
    pub fn hung_after(mut self, silence: Duration) -> Self {
        self.hung_after = silence;
        self
    }

    /// How long a connection may be busy without a break before one of its replies is verified. Replies have no numbers: if a
    /// server or a proxy sends one too many, every later caller gets the reply of another. Where a connection has nothing to
    /// do for 100 ms, such a reply is noticed by itself. Where it always has, a call takes a PING along, in the same round
    /// trip, and its reply has to come right behind the call's own. If it does not, the connection is closed, and the calls
    /// under way fail with [`ErrorKind::Protocol`] or [`ErrorKind::Disconnected`] and an unknown outcome.
    ///
    /// [`Duration::ZERO`] verifies every call, so that no caller gets the reply of another, at the cost of one PING for each
    /// call. Default: 1 second, which costs one PING in a second of permanent load and leaves a second in which replies may
    /// be wrong.
    #[must_use]
    pub fn verify_after(mut self, busy: Duration) -> Self {
        self.verify_after = busy;
        self
    }

    /// How large one reply may be: its bytes, and 64 more for each element of an array or map. A larger reply is an error of
    /// kind [`ErrorKind::Protocol`], and the connection is replaced, because the rest of the reply cannot be skipped. Default:
    /// 64 MiB.
    ///
    /// It also holds for one message of a subscription. Messages that the reader has not taken yet stay with the server, up to
    /// its `client-output-buffer-limit`. Above that, it closes the connection, which shows as a gap.
    #[must_use]
    pub fn max_reply_bytes(mut self, limit: usize) -> Self {
        self.max_reply_bytes = limit;
        self
    }

    /// How many connections there may be for commands that wait (BLPOP, XREAD with BLOCK, WAIT in a pipeline, …). Each of these
    /// commands has a connection for itself. A call beyond the limit waits for a free connection as long as
    /// [`connect_timeout`](Self::connect_timeout) says, and then fails with [`ErrorKind::BudgetSpent`]. An idle connection is
    /// kept for 30 seconds; see also [`min_idle`](Self::min_idle). Default: 32.
    #[doc(alias = "max_connections")]
    #[must_use]
    pub fn waiting_connections(mut self, most: usize) -> Self {
        self.waiting.most = most.max(1);
        self
    }

    /// How many idle connections are kept ready for commands that wait, so that such a command does not have to connect
    /// first: TCP, TLS, authentication. They are made in the background, once the first of these commands has been sent, and
    /// made again when they are taken or lost; a lost one is noticed within 30 seconds. There are never more connections
    /// than [`waiting_connections`](Self::waiting_connections) allows: where that many are in use, none is kept ready.
    /// In a cluster, the number is for each server to which such a command was sent. Default: 0.
    ///
    /// An idle connection sends nothing. The server closes it if its `timeout` says so.
    ///
    /// ```
    /// use edgecask::transport::tcp::TcpOptions;
    ///
    /// let options = TcpOptions::new("redis://127.0.0.1").waiting_connections(10).min_idle(2);
    /// ```
    #[must_use]
    pub fn min_idle(mut self, connections: usize) -> Self {
        self.waiting.min_idle = connections;
        self
    }

    /// The certificate, in PEM, of the authority that signed the server's. Default: those that the system trusts. It needs a
    /// `rediss://` URL; with `redis://` alone, making the transport fails with [`ErrorKind::Config`].
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// The certificate that this client shows to the server (mTLS), and its private key, both in PEM. The chain begins with
    /// the client's own certificate. Sentinels see the same one. It needs a `rediss://` URL, as
    /// [`root_certificate`](Self::root_certificate) does. Default: none.
    ///
    /// ```no_run
    /// use edgecask::transport::tcp::{TcpOptions, TcpTransport};
    ///
    /// let (chain, key) = (std::fs::read("client.pem")?, std::fs::read_to_string("client.key")?);
    /// let options = TcpOptions::new("rediss://redis.internal").client_certificate(chain, key);
    /// let transport = TcpTransport::new(options)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<String>) -> Self {
        self.client_certificate = Some((chain.into(), key.into().into()));
        self
    }
}

/// Builds the parts of the transport from the settings.
impl TcpOptions {
    pub(super) fn dialer(&self) -> Result<Dialer> {
        let tls = self.endpoints()?.iter().any(|endpoint| endpoint.address.is_tls());
        if !tls && (self.root_certificate.is_some() || self.client_certificate.is_some()) {
            return Err(Error::new(
                ErrorKind::Config,
                "a certificate is set, and the URL is not of TLS: begin it with rediss://",
            ));
        }
        Ok(Dialer {
            tls: tls.then(|| self.tls()).transpose()?,
            connect_timeout: self.connect_timeout,
            keepalive: self.keepalive,
            hung_after: self.hung_after,
            verify_after: self.verify_after,
            max_reply_bytes: self.max_reply_bytes,
        })
    }

    pub(super) fn sentinels(&self, name: &str) -> Result<Sentinels> {
        let sentinel = |endpoint: Endpoint| Endpoint {
            username: self.sentinel_username.clone(),
            password: self.sentinel_password.clone(),
            resp3: false,
            ..endpoint.without_database()
        };
        let sentinels = self.endpoints()?.into_iter().map(sentinel).collect();
        Ok(Sentinels::new(sentinels, name.to_owned(), self.first()?))
    }

    pub(super) fn first(&self) -> Result<Endpoint> {
        match self.urls.first() {
            Some(url) => self.endpoint(url),
            None => Err(Error::new(ErrorKind::Config, "there is no URL of a Redis server")),
        }
    }

    pub(super) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.urls.iter().map(|url| self.endpoint(url)).collect()
    }

    fn endpoint(&self, url: &SecretString) -> Result<Endpoint> {
        let endpoint = Endpoint::parse(url.expose_secret().trim()).map_err(|bad| {
            let message = match bad {
                BadUrl::Malformed => {
                    "the Redis URL is not of the form redis://[user[:password]@]host[:port][/database], or rediss://… for TLS"
                }
                BadUrl::Insecure => {
                    "#insecure is not supported: trust the server's certificate by root_certificate"
                }
            };
            Error::new(ErrorKind::Config, message)
        })?;
        if endpoint.address.is_tls() {
            // Where an application brings several providers, rustls would panic because none is chosen. A provider
            // that was installed before stays.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Ok(Endpoint {
            username: self.username.clone().or(endpoint.username),
            password: self.password.clone().or(endpoint.password),
            resp3: self.resp3 || endpoint.resp3,
            ..endpoint
        })
    }

    fn tls(&self) -> Result<TlsConnector> {
        let mut trusted = RootCertStore::empty();
        match &self.root_certificate {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let added = certificate.map(|certificate| trusted.add(certificate));
                    if !matches!(added, Ok(Ok(()))) {
                        return Err(bad_certificate());
                    }
                }
                if trusted.is_empty() {
                    return Err(bad_certificate());
                }
            }
            // Certificates of the system that cannot be read are left out.
            None => {
                trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder().with_root_certificates(trusted);
        let config = match &self.client_certificate {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
                let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes());
                let (Ok(chain), Ok(key)) = (chain, key) else {
                    return Err(bad_client_certificate());
                };
                config.with_client_auth_cert(chain, key).map_err(|_| bad_client_certificate())?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn bad_client_certificate() -> Error {
    Error::new(
        ErrorKind::Config,
        "the client certificate or its key is not in PEM, or they do not belong together",
    )
}

fn bad_certificate() -> Error {
    Error::new(ErrorKind::Config, "the root certificate is not in PEM, or not a certificate")
}

impl fmt::Debug for TcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("hung_after", &self.hung_after)
            .field("verify_after", &self.verify_after)
            .field("max_reply_bytes", &self.max_reply_bytes)
            .field("waiting_connections", &self.waiting.most)
            .field("min_idle", &self.waiting.min_idle)
            .finish_non_exhaustive()
    }
}
