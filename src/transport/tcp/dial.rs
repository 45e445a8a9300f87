//! Opens connections: socket, TLS and handshake.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{self, FuturesUnordered, StreamExt};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::SockRef;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, ProtocolVersion, PushKind,
    RedisConnectionInfo,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::convert::{error_from, io_error_from, message_from, value_from};
use super::framing::Unreadable;
use super::wire::{Backlog, Health, Stream, Wire};
use crate::transport::Messages;
use crate::{Error, ErrorKind, Outcome, Result};

/// For a connection on a stream whose handshake was made before.
static NO_HANDSHAKE: LazyLock<RedisConnectionInfo> =
    LazyLock::new(|| RedisConnectionInfo::default().set_skip_set_lib_name());

/// The same over RESP3. The crate sends HELLO once more.
static NO_HANDSHAKE_RESP3: LazyLock<RedisConnectionInfo> =
    LazyLock::new(|| NO_HANDSHAKE.clone().set_protocol(ProtocolVersion::RESP3));

/// Opens connections, all with the same settings.
pub(super) struct Dialer {
    pub(super) tls: Option<TlsConnector>,
    pub(super) connect_timeout: Duration,
    pub(super) hung_after: Duration,
    pub(super) verify_after: Duration,
    pub(super) max_reply_bytes: usize,
}

/// A connection that is ready for commands. It is closed when it is dropped.
pub(super) struct Connection {
    commands: MultiplexedConnection,
    pub(super) health: Arc<Health>,
    driver: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// Whether it was lost, or what it received cannot be used.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished() || self.health.unreadable().is_some()
    }

    /// Whether calls may use it.
    pub(super) fn works(&self) -> bool {
        !self.is_closed() && !self.health.is_hung()
    }

    pub(super) async fn send(&self, command: &redis::Cmd) -> redis::RedisResult<redis::Value> {
        match self.health.verification() {
            None => self.commands.clone().send_packed_command(command).await,
            Some(nonce) => {
                let mut pipeline = redis::Pipeline::with_capacity(2);
                pipeline.add_command(command.clone());
                let mut replies = self.send_verified(pipeline, 1, nonce).await?;
                Ok(replies.pop().unwrap_or_default())
            }
        }
    }

    pub(super) async fn send_all(
        &self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> redis::RedisResult<Vec<redis::Value>> {
        match self.health.verification() {
            None => self.send_pipeline(pipeline, count).await,
            Some(nonce) => self.send_verified(pipeline.clone(), count, nonce).await,
        }
    }

    /// Sends commands with a PING behind them. The PING's reply shows that the replies before it belong to these commands. If
    /// it is another reply, the connection is closed and all calls on it fail.
    async fn send_verified(
        &self,
        mut pipeline: redis::Pipeline,
        count: usize,
        nonce: String,
    ) -> redis::RedisResult<Vec<redis::Value>> {
        pipeline.cmd("PING").arg(&nonce);
        let mut replies = self.send_pipeline(&pipeline, count + 1).await?;
        if replies.pop().is_some_and(|reply| verifies(&reply, &nonce)) {
            return Ok(replies);
        }
        let error = self.health.set_unreadable(Unreadable::TooMany);
        self.driver.abort();
        Err(error.into())
    }

    async fn send_pipeline(
        &self,
        pipeline: &redis::Pipeline,
        count: usize,
    ) -> redis::RedisResult<Vec<redis::Value>> {
        let replies = self.commands.clone().send_packed_commands(pipeline, 0, count).await;
        replies.map_err(|error| match self.health.unreadable() {
            // If some replies of the pipeline have come, the crate only reports that the connection was closed.
            Some(reason) if error.is_io_error() => self.health.set_unreadable(reason).into(),
            _ => error,
        })
    }
}

/// Whether this is the reply to a PING with this nonce. A server may also refuse the PING, because of the user's permissions
/// or its own state; that says nothing about the other replies.
fn verifies(reply: &redis::Value, nonce: &str) -> bool {
    match reply {
        redis::Value::BulkString(bytes) => bytes == nonce.as_bytes(),
        redis::Value::ServerError(error) => {
            matches!(error.code(), "BUSY" | "LOADING" | "MASTERDOWN" | "NOPERM")
        }
        _ => false,
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Dialer {
    /// A connection for commands.
    pub(super) async fn connect(&self, info: &ConnectionInfo) -> Result<Connection> {
        let wire = self.in_time(self.open(info)).await?;
        let health = Arc::clone(wire.health());
        let (commands, driver) = multiplexed(wire).await?;
        Ok(Connection { commands, health, driver: tokio::spawn(driver) })
    }

    /// A connection for this many channels or patterns, to which `set_up` subscribes.
    pub(super) async fn subscribed(
        &self,
        info: &ConnectionInfo,
        count: usize,
        set_up: impl AsyncFnOnce(&mut PubSub) -> redis::RedisResult<()>,
    ) -> Result<Messages> {
        let backlog = Arc::new(Backlog::new(self.max_reply_bytes));
        let wire = self.in_time(self.open(info)).await?.with_backlog(Arc::clone(&backlog));
        let subscription = self.in_time(async {
            let mut subscription = PubSub::new(&NO_HANDSHAKE, wire).await.map_err(error_from)?;
            set_up(&mut subscription).await.map_err(error_from)?;
            Ok(subscription)
        });
        let messages = subscription.await?.into_on_message();
        backlog.skip(count);
        let taken = move |message: redis::Msg| {
            backlog.take(message.get_channel_name().len() + message.get_payload_bytes().len());
            message_from(&message)
        };
        Ok(messages.map(taken).boxed())
    }

    /// A connection for shard channels. The stream ends with an error when the server unsubscribes it from one of them, because
    /// the channel's slot has moved.
    pub(super) async fn subscribed_to_shards(
        &self,
        info: &ConnectionInfo,
        names: &[Bytes],
    ) -> Result<Messages> {
        // The crate hands on what no command asked for over RESP3 alone, which all servers with shard channels speak.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info.clone().set_redis_settings(settings);
        let backlog = Arc::new(Backlog::new(self.max_reply_bytes));
        let wire = self.in_time(self.open(&info)).await?.with_backlog(Arc::clone(&backlog));
        let health = Arc::clone(wire.health());
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let config =
            AsyncConnectionConfig::new().set_response_timeout(None).set_push_sender(sender);
        let made = self.in_time(async {
            MultiplexedConnection::new_with_config(&NO_HANDSHAKE_RESP3, wire, config)
                .await
                .map_err(error_from)
        });
        let (commands, driver) = made.await?;
        let connection = Connection { commands, health, driver: tokio::spawn(driver) };
        // One command may name channels of one slot alone.
        let mut pipeline = redis::Pipeline::with_capacity(names.len());
        for name in names {
            pipeline.cmd("SSUBSCRIBE").arg(&name[..]);
        }
        let replies = self.in_time(async {
            connection.send_pipeline(&pipeline, names.len()).await.map_err(error_from)
        });
        for reply in replies.await? {
            value_from(reply)?;
        }
        let listening = (connection, receiver, backlog);
        let messages = stream::unfold(Some(listening), async |listening| {
            let (connection, mut receiver, backlog) = listening?;
            loop {
                let push = receiver.recv().await?;
                match (&push.kind, redis::Msg::from_push_info(push.clone())) {
                    (PushKind::SMessage, Some(message)) => {
                        let bytes = message.get_payload_bytes().len();
                        backlog.take(message.get_channel_name().len() + bytes);
                        let message = message_from(&message);
                        return Some((message, Some((connection, receiver, backlog))));
                    }
                    (PushKind::SUnsubscribe, _) => {
                        let message = "the slot of a shard channel has moved to another server";
                        return Some((Err(Error::new(ErrorKind::Disconnected, message)), None));
                    }
                    (PushKind::Disconnection, _) => return None,
                    _ => backlog.take(0),
                }
            }
        });
        Ok(messages.boxed())
    }

    /// Ends a step that takes longer than connecting may take.
    pub(super) async fn in_time<T>(&self, step: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(self.connect_timeout, step).await.unwrap_or_else(|_| {
            let message = format!("no connection to Redis within {:?}", self.connect_timeout);
            Err(Error::new(ErrorKind::Connect, message))
        })
    }

    /// An open stream after its handshake.
    pub(super) async fn open(&self, info: &ConnectionInfo) -> Result<Wire> {
        let stream = self.stream(info).await.map_err(|error| match io_error_from(&error) {
            Some(known) => known,
            None => Error::new(ErrorKind::Connect, "no connection to Redis").with_source(error),
        })?;
        let health = Arc::new(Health::new(self.hung_after, self.verify_after));
        handshake(Wire::new(stream, self.max_reply_bytes, health), info.redis_settings()).await
    }

    async fn stream(&self, info: &ConnectionInfo) -> io::Result<Box<dyn Stream>> {
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                Ok(Box::new(tcp(host, *port, info.tcp_settings()).await?))
            }
            ConnectionAddr::TcpTls { host, port, .. } => {
                let Some(tls) = &self.tls else {
                    return Err(io::Error::new(io::ErrorKind::Unsupported, "TLS is not set up"));
                };
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let stream = tcp(host, *port, info.tcp_settings()).await?;
                Ok(Box::new(tls.connect(name, stream).await?))
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
            }
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "an address of another system")),
        }
    }
}

/// Connects to the first address of a host that answers. The next address is tried when one fails or takes long (RFC 8305).
async fn first_reached(mut addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    const TAKES_LONG: Duration = Duration::from_millis(250);
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        let ended = match addresses.next() {
            Some(address) => {
                attempts.push(TcpStream::connect(address));
                tokio::time::timeout(TAKES_LONG, attempts.next()).await
            }
            None => Ok(attempts.next().await),
        };
        match ended {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => last = error,
            Ok(None) => return Err(last),
            Err(_) => {}
        }
    }
}

async fn tcp(host: &str, port: u16, settings: &TcpSettings) -> io::Result<TcpStream> {
    let stream = first_reached(tokio::net::lookup_host((host, port)).await?).await?;
    stream.set_nodelay(settings.nodelay())?;
    let socket = SockRef::from(&stream);
    if let Some(keepalive) = settings.keepalive() {
        socket.set_tcp_keepalive(keepalive)?;
    }
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(settings.user_timeout())?;
    Ok(stream)
}

/// A connection on an open stream. Nothing is sent.
async fn multiplexed<S>(stream: S) -> Result<(MultiplexedConnection, impl Future<Output = ()>)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Deadlines are a layer, and the handshake is made elsewhere.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    MultiplexedConnection::new_with_config(&NO_HANDSHAKE, stream, config).await.map_err(error_from)
}

/// Makes the handshake: user, protocol, database and the name of this library, in one round trip.
async fn handshake(wire: Wire, settings: &RedisConnectionInfo) -> Result<Wire> {
    let user = settings.username().filter(|name| !name.is_empty() && *name != "default");
    let resp3 = settings.protocol().supports_resp3();
    let mut pipeline = redis::Pipeline::new();
    if resp3 {
        pipeline.cmd("HELLO").arg(3);
        if let Some(password) = settings.password() {
            pipeline.arg("AUTH").arg(user.unwrap_or("default")).arg(password);
        }
    } else if let Some(password) = settings.password() {
        pipeline.cmd("AUTH").arg(user).arg(password);
    }
    if settings.db() != 0 {
        pipeline.cmd("SELECT").arg(settings.db());
    }
    let essential = pipeline.len();
    // Servers before 7.2 refuse these. Their replies are ignored.
    pipeline.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg("edgecask");
    pipeline.cmd("CLIENT").arg("SETINFO").arg("LIB-VER").arg(env!("CARGO_PKG_VERSION"));

    let stream = ReclaimableStream(Arc::new(Mutex::new(Some(wire))));
    let (mut connection, driver) = multiplexed(stream.clone()).await?;
    let replies = {
        let sent = std::pin::pin!(connection.send_packed_commands(&pipeline, 0, pipeline.len()));
        match select(sent, std::pin::pin!(driver)).await {
            Either::Left((replies, _)) => replies,
            // The driver ends when the connection does, and the pipeline then has an error.
            Either::Right(((), sent)) => sent.await,
        }
    };
    let replies = replies.map_err(|error| {
        let error = error_from(error).with_outcome(Outcome::NotSent);
        match error.kind() {
            ErrorKind::Disconnected | ErrorKind::Timeout => {
                Error::new(ErrorKind::Connect, "the connection to Redis was lost while it was made")
                    .with_source(error)
            }
            _ => error,
        }
    })?;
    for reply in replies.iter().take(essential) {
        if let redis::Value::ServerError(error) = reply {
            return Err(refused(error.code(), error.details(), settings));
        }
    }
    let wire = stream.lock().take();
    wire.ok_or_else(|| Error::new(ErrorKind::Connect, "the connection to Redis was lost"))
}

/// The error of a handshake that the server refused, with its code and text. The text may repeat the password and the user
/// name, which are taken out.
fn refused(code: &str, detail: Option<&str>, settings: &RedisConnectionInfo) -> Error {
    let text = detail.map_or_else(|| code.to_owned(), |detail| format!("{code} {detail}"));
    let secrets = [settings.password(), settings.username()].into_iter().flatten();
    let said = Error::server(&text).redacted(secrets.map(str::as_bytes));
    let (kind, own) = match said.code() {
        Some("ERR") if detail.is_some_and(|detail| detail.contains("max number of clients")) => {
            (ErrorKind::Connect, "Redis has no room for another client: ")
        }
        Some("WRONGPASS" | "NOAUTH" | "NOPERM") => {
            (ErrorKind::Unauthorized, "Redis refused the user name or password: ")
        }
        None | Some("ERR" | "NOPROTO") => (
            ErrorKind::Unauthorized,
            "Redis refused the connection's user, password, database or protocol: ",
        ),
        Some(_) => return said.with_outcome(Outcome::NotSent),
    };
    let error = Error::quoting(kind, own.to_owned(), said.message()).with_code(said.code());
    error.with_outcome(Outcome::NotSent)
}

/// A stream that a temporary connection uses and that is taken back afterwards.
#[derive(Clone)]
struct ReclaimableStream(Arc<Mutex<Option<Wire>>>);

impl ReclaimableStream {
    fn lock(&self) -> MutexGuard<'_, Option<Wire>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        poll: impl FnOnce(Pin<&mut Wire>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut *self.lock() {
            Some(wire) => poll(Pin::new(wire)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for ReclaimableStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|wire| wire.poll_read(context, buffer))
    }
}

impl AsyncWrite for ReclaimableStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|wire| wire.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|wire| wire.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|wire| wire.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_address_is_tried_only_when_the_first_one_fails() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listen = || tokio::net::TcpListener::bind("127.0.0.1:0");
            let (one, other) = (listen().await.unwrap(), listen().await.unwrap());
            let (first, second) = (one.local_addr().unwrap(), other.local_addr().unwrap());
            let stream = first_reached([first, second].into_iter()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), first);
            let mut idle = std::pin::pin!(other.accept());
            assert!(futures_util::poll!(&mut idle).is_pending(), "nobody knocked there");
            drop(one);
            let stream = first_reached([first, second].into_iter()).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), second);
            assert!(first_reached([first].into_iter()).await.is_err());
            assert!(first_reached(std::iter::empty()).await.is_err());
        });
    }
}
