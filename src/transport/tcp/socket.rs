//! Opens sockets, with TLS where the address asks for it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::endpoint::Address;
use crate::{Error, ErrorKind, Result};

/// How many keepalive probes may go unanswered before the connection is lost.
const PROBES: u32 = 3;

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Opens a socket. TCP probes the other side after this time of silence.
pub(super) async fn open(
    address: &Address,
    tls: Option<&TlsConnector>,
    keepalive: Duration,
) -> Result<Box<dyn Socket>> {
    connect(address, tls, keepalive).await.map_err(|error| {
        refused_by_tls(&error).unwrap_or_else(|| {
            let message = format!("no connection to Redis at {address}");
            Error::new(ErrorKind::Connect, message).with_source(error)
        })
    })
}

async fn connect(
    address: &Address,
    tls: Option<&TlsConnector>,
    keepalive: Duration,
) -> io::Result<Box<dyn Socket>> {
    match address {
        Address::Tcp { host, port, tls: false } => Ok(Box::new(tcp(host, *port, keepalive).await?)),
        Address::Tcp { host, port, tls: true } => {
            let Some(tls) = tls else {
                return Err(io::Error::new(io::ErrorKind::Unsupported, "TLS is not set up"));
            };
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            let stream = tcp(host, *port, keepalive).await?;
            Ok(Box::new(tls.connect(name, stream).await?))
        }
        #[cfg(unix)]
        Address::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
    }
}

async fn tcp(host: &str, port: u16, keepalive: Duration) -> io::Result<TcpStream> {
    let stream = first_reached(tokio::net::lookup_host((host, port)).await?).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let probes = TcpKeepalive::new()
        .with_time(keepalive)
        .with_interval((keepalive / PROBES).max(Duration::from_secs(1)))
        .with_retries(PROBES);
    socket.set_tcp_keepalive(&probes)?;
    // Keepalive does not cover data that was sent and not acknowledged. Without this it would be resent for 15 minutes.
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(keepalive * 2))?;
    Ok(stream)
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

/// The error of a socket before a command was sent. A server may refuse a client's certificate only after its own handshake.
pub(super) fn refused_or_lost(error: io::Error) -> Error {
    refused_by_tls(&error).unwrap_or_else(|| lost(error))
}

/// The error of a socket that commands may have been written to.
pub(super) fn lost(error: io::Error) -> Error {
    let (kind, message) = match error.kind() {
        io::ErrorKind::TimedOut => (ErrorKind::Timeout, "Redis did not answer in time"),
        _ => (ErrorKind::Disconnected, "the connection to Redis was lost"),
    };
    Error::new(kind, message).with_source(error)
}

/// The error of a TLS handshake that failed. Nothing was sent then.
fn refused_by_tls(error: &io::Error) -> Option<Error> {
    let cause = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let message = match cause {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate of Redis is not trusted: see TcpOptions::root_certificate"
        }
        rustls::Error::InvalidCertificate(reason) => {
            let message = format!("the certificate of Redis is not valid: {reason}");
            return Some(Error::new(ErrorKind::Connect, message));
        }
        rustls::Error::InvalidMessage(_) => {
            "the server does not speak TLS: begin its URL with redis://"
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::HandshakeFailure
            | AlertDescription::UnknownCA,
        ) => {
            "Redis refused the TLS handshake. If it asks for a certificate of its clients, see TcpOptions::client_certificate"
        }
        _ => return None,
    };
    Some(Error::new(ErrorKind::Connect, message).with_source(cause.clone()))
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
