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
mod http;
mod reply;
mod request;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, Error, ErrorKind};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::access::Tokens;
use self::http::Service;

/// What to serve, and to whom.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    client: Client,
    host: IpAddr,
    port: u16,
    token: Option<String>,
    read_only_token: Option<String>,
}

impl ServerOptions {
    fn new(client: Client) -> Self {
        Self {
            client,
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            token: None,
            read_only_token: None,
        }
    }

    /// Over a new embedded engine. It knows the scripts that Edgecask itself uses.
    pub fn memory() -> Self {
        let engine = MemoryTransport::new();
        for script in edgecask::scripts() {
            engine.register(script);
        }
        Self::new(Client::new(engine))
    }

    /// Over the Redis at this `redis://` URL.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL cannot be used.
    pub fn redis(url: &str) -> Result<Self, Error> {
        let transport = TcpTransport::new(TcpOptions::new(url))?;
        Ok(Self::new(Client::new(transport).layer(edgecask::layer::Deadline::default())))
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

    /// The token that may do everything. Default: a random one.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// A token that may only read. Default: there is none.
    #[must_use]
    pub fn read_only_token(mut self, token: impl Into<String>) -> Self {
        self.read_only_token = Some(token.into());
        self
    }
}

/// A running server. Dropping it lets it run on; [`Server::stop`] ends it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    token: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Starts to listen; requests are served when this is done.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the address cannot be listened on.
    pub async fn start(options: ServerOptions) -> Result<Self, Error> {
        let token = match options.token {
            Some(token) => token,
            None => random_token()?,
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
        let service = Arc::new(Service {
            client: options.client,
            tokens: Tokens::new(&token, options.read_only_token.as_deref()),
        });
        let app = Router::new().fallback(http::handle).with_state(service);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async {
                // An error means that the handle was dropped: then it runs on.
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            axum::serve(listener, app).with_graceful_shutdown(shutdown).await
        });
        Ok(Self { address, token, stop, task })
    }

    /// The URL to give to clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The token that may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Stops listening, finishes the requests under way, and returns.
    pub async fn stop(self) {
        // Both fail only if the server has ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

fn random_token() -> Result<String, Error> {
    use std::fmt::Write;
    let mut token = String::new();
    for byte in edgecask::platform::random::<20>()? {
        // Writing to a String cannot fail.
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}
