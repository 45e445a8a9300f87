//! A local server of the Upstash Redis REST API, over the embedded engine or a real Redis.
//!
//! For development, tests and offline work: the same URL and token settings, the same replies, errors and statuses, so
//! that any client of the REST API works against it, `@upstash/redis` included.
//!
//! | request | what it does |
//! |---|---|
//! | `POST /` with `["SET","k","v"]` | one command |
//! | `GET /get/k`, `POST /set/k?EX=60` with the value as body | one command in the path style |
//! | `POST /pipeline` with `[["SET","k","v"],["GET","k"]]` | commands in order |
//! | `POST /multi-exec` with the same | commands as a unit |
//! | `POST /subscribe/a`, `/psubscribe/news.*`, `/monitor` | a stream of server-sent events |
//!
//! Replies come as JSON, as JSON with base64 strings (`Upstash-Encoding: base64`) or as RESP2
//! (`Upstash-Response-Format: resp2`). Requests that a client or a proxy may have rewritten are refused with status 400 and
//! never run: path segments `.` and `..`, a query where none is expected, `_token` together with an `Authorization` header.
//! A PUBLISH of bytes that server-sent events cannot carry is refused too: bytes that are not UTF-8, and carriage returns. A
//! message to a channel with a comma reaches the subscribers of that channel's name. The stream of a pattern without that
//! comma ends there with a gap. `ACL RESTTOKEN` issues tokens of Redis's ACL users. The server speaks HTTP/1.1 only.
//!
//! The server also helps to test clients: a [lagging replica](ServerOptions::lagging_replica) shows the effect of sync tokens,
//! and a [fault plan](FaultPlan) injects faults into connections and answers.
//!
//! ```
//! use edgecask_server::{Server, ServerOptions};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let server = Server::start(ServerOptions::memory().token("local")).await?;
//! println!("{} {}", server.url(), server.token());
//! server.stop().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod backend;
mod body;
mod closing;
mod dialect;
mod error_text;
mod events;
mod faults;
mod http;
mod limits;
mod listen;
mod reply;
mod request;
mod resp2;
mod scripts;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub use edgecask::transport::memory::Dialect;
use edgecask::transport::memory::{MemoryOptions, MemoryTransport};
use edgecask::{Error, ErrorKind, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::access::Tokens;
use self::backend::Backend;
pub use self::faults::{Fault, FaultPlan};
use self::http::Service;
pub use self::limits::Limits;
use self::limits::Meter;

#[derive(Debug, Clone)]
enum Source {
    Memory(MemoryOptions),
    Engine(MemoryTransport),
    Redis(SecretString),
}

/// The settings of a [`Server`]. `Debug` shows no token and no URL of Redis.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerOptions {
    source: Source,
    host: IpAddr,
    port: u16,
    token: Option<SecretString>,
    read_only_token: Option<SecretString>,
    limits: Limits,
    faults: FaultPlan,
    lagging_replica: Option<Option<Duration>>,
    dialect: Dialect,
}

impl ServerOptions {
    fn new(source: Source) -> Self {
        Self {
            source,
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            token: None,
            read_only_token: None,
            limits: Limits::default(),
            faults: FaultPlan::default(),
            lagging_replica: None,
            dialect: Dialect::Upstash,
        }
    }

    /// Serves a new embedded engine. It runs Lua with the feature `lua`, which is on by default; without it, only the scripts that
    /// Edgecask itself uses.
    pub fn memory() -> Self {
        Self::new(Source::Memory(MemoryOptions::new()))
    }

    /// Serves this embedded engine, such as one with a snapshot file, as [`memory`](Self::memory) serves a new one. Its own
    /// [dialect](edgecask::transport::memory::MemoryOptions::dialect) counts, not [`ServerOptions::dialect`].
    ///
    /// ```
    /// use edgecask::transport::memory::{MemoryOptions, MemoryTransport};
    /// use edgecask_server::{Server, ServerOptions};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # let folder = std::env::temp_dir().join(format!("edgecask-doc-server-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # runtime.block_on(async {
    /// let engine = MemoryTransport::open(&MemoryOptions::new().snapshot(folder.join("data.rdb")))?;
    /// let server = Server::start(ServerOptions::engine(engine.clone())).await?;
    /// server.stop().await;
    /// engine.save().await?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn engine(engine: MemoryTransport) -> Self {
        Self::new(Source::Engine(engine))
    }

    /// Serves the Redis at this `redis://` URL. It needs the feature `redis`, which is on by default. Upstash's script flag
    /// `allow-key-locking`, which Redis does not know, is removed from scripts. The commands of a pipeline are sent one after the
    /// other, so that each reply has a limit; see [`Limits::reply_bytes`].
    pub fn redis(url: impl Into<String>) -> Self {
        Self::new(Source::Redis(SecretString::from(url.into())))
    }

    /// Adds a replica to the embedded engine, which answers requests that only read. It catches up in this interval, or with
    /// `None` only by [`Server::replicate`]. A request whose sync token asks for newer data goes to the primary. The replica is
    /// for tests, because it copies all keys each time. Default: no replica.
    #[must_use]
    pub fn lagging_replica(mut self, every: Option<Duration>) -> Self {
        self.lagging_replica = Some(every);
        self
    }

    /// The server to answer like where Upstash and Redis differ. Default: [`Dialect::Upstash`]. Over a real Redis, FCALL_RO is
    /// Redis's own in both, and a `SCAN … WITHTYPE` in a transaction is an error.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The limits of Upstash's plans. Default: the sizes of the free plan, without a daily quota.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The faults to inject. Default: none.
    #[must_use]
    pub fn faults(mut self, faults: FaultPlan) -> Self {
        self.faults = faults;
        self
    }

    /// The address to listen on. Default: 127.0.0.1.
    #[must_use]
    pub fn host(mut self, host: IpAddr) -> Self {
        self.host = host;
        self
    }

    /// The port to listen on. Default: 0, any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The token that may send every command. Default: a random one.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(SecretString::from(token.into()));
        self
    }

    /// A token that may only read: no writes, no SCAN and KEYS, no scripts. Default: none.
    #[must_use]
    pub fn read_only_token(mut self, token: impl Into<String>) -> Self {
        self.read_only_token = Some(SecretString::from(token.into()));
        self
    }
}

/// A running server. It keeps running if this is dropped. [`Server::stop`] ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    token: SecretString,
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts the server. Requests are served when this is done.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the server cannot listen on the address, or the URL of Redis cannot be used.
    pub async fn start(options: ServerOptions) -> Result<Self, Error> {
        let token = match options.token {
            Some(token) => token,
            None => random_token()?.into(),
        };
        let backend = match options.source {
            Source::Memory(engine) => Backend::memory(
                with_scripts(MemoryTransport::with_options(&engine.dialect(options.dialect))),
                options.lagging_replica.is_some(),
            ),
            Source::Engine(engine) => {
                Backend::memory(with_scripts(engine), options.lagging_replica.is_some())
            }
            Source::Redis(_) if options.lagging_replica.is_some() => {
                return Err(Error::new(
                    ErrorKind::Config,
                    "a lagging replica is simulated over the embedded engine only",
                ));
            }
            Source::Redis(url) => Backend::redis(
                url,
                options.limits.received_reply_bytes(),
                options.dialect == Dialect::Upstash,
            )?,
        };
        let listener = TcpListener::bind((options.host, options.port)).await.map_err(|error| {
            Error::new(
                ErrorKind::Config,
                format!("cannot listen on {}:{}: {error}", options.host, options.port),
            )
        })?;
        let address = listener
            .local_addr()
            .map_err(|error| Error::new(ErrorKind::Config, error.to_string()))?;
        let (stop, closing) = watch::channel(false);
        let service = Arc::new(Service {
            backend,
            tokens: Tokens::new(
                token.expose_secret(),
                options.read_only_token.as_ref().map(ExposeSecret::expose_secret),
            ),
            meter: Meter::new(options.limits),
            faults: options.faults,
            closing: closing.clone(),
        });
        if let Some(Some(every)) = options.lagging_replica {
            tokio::spawn(replicate_every(every, Arc::clone(&service)));
        }
        let task = tokio::spawn(listen::serve(listener, Arc::clone(&service), closing));
        Ok(Self { address, token, service, stop, task })
    }

    /// The URL to give to clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token that may send every command.
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }

    /// Lets a lagging replica catch up with all writes.
    pub fn replicate(&self) {
        self.service.backend.replicate();
    }

    /// Injects a fault into the next request, after the faults that were injected before.
    pub fn inject(&self, fault: Fault) {
        self.service.faults.next(fault);
    }

    /// How many injected faults have not happened yet. A test can wait for the request that gets one.
    pub fn pending_faults(&self) -> usize {
        self.service.faults.pending()
    }

    /// Stops the server: it accepts no more connections, ends the streams of events, and waits up to 10 seconds for the requests
    /// under way.
    pub async fn stop(self) {
        // Both fail only if the server has already ended.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

/// Makes the scripts of Edgecask known to an engine.
fn with_scripts(engine: MemoryTransport) -> MemoryTransport {
    for script in edgecask::scripts() {
        engine.register(script);
        // The form in which a client of Upstash sends it; see `scripts.rs`.
        let sent = Script::new(format!("#!lua\n{}", script.source()));
        engine.register(&script.native().map_or(sent.clone(), |native| sent.with_native(native)));
    }
    engine
}

async fn replicate_every(every: Duration, service: Arc<Service>) {
    let mut closing = service.closing.clone();
    while tokio::time::timeout(every, closing.wait_for(|closing| *closing)).await.is_err() {
        service.backend.replicate();
    }
}

pub(crate) fn random_token() -> Result<String, Error> {
    use std::fmt::Write;
    let mut token = String::new();
    for byte in edgecask::platform::random::<20>()? {
        // Writing to a String cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}
