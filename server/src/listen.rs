//! Accepts connections until the server stops, and then finishes them. Their number is limited, and idle ones are closed.

use std::io::{self, Write};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;

use crate::body::Body;
use crate::closing::stopped;
use crate::http::{self, Service};

/// How long requests under way may take after the server was stopped.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

pub(crate) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut closing: watch::Receiver<bool>,
) {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(service.meter.limits.connections));
    let idle_time = service.meter.limits.idle_time;
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                // There are no file descriptors left, or the peer has gone. The next connection may succeed.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = stopped(&mut closing) => break,
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            turn_away(socket);
            continue;
        };
        // Clients wait for answers, which are small. A failure here only costs speed.
        let _ = socket.set_nodelay(true);
        let service = Arc::clone(&service);
        let (under_way, requests) = watch::channel(0_usize);
        let under_way = Arc::new(under_way);
        let handler = service_fn(move |request| {
            let (service, request_under_way) = (Arc::clone(&service), UnderWay::new(&under_way));
            async move {
                let response = http::handle(service, request).await?;
                // The request is under way until its answer was read.
                let held = |body| TrackedBody { body, _request: request_under_way }.boxed_unsync();
                Ok::<_, http::Dropped>(response.map(held))
            }
        });
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(idle_time));
        let builder = Builder::new(TokioExecutor::new()).http1_only();
        let connection = builder.serve_connection(TokioIo::new(Box::pin(socket)), handler);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            tokio::select! {
                // A client may end its connection in any way.
                _ = connection => {}
                () = idle(requests, idle_time) => {}
            }
            drop(place);
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_REQUESTS, connections.shutdown()).await;
}

/// A request on a connection, from its headers until its answer was read or given up.
struct UnderWay(Arc<watch::Sender<usize>>);

impl UnderWay {
    fn new(connection: &Arc<watch::Sender<usize>>) -> Self {
        connection.send_modify(|requests| *requests += 1);
        Self(Arc::clone(connection))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}

/// The body of an answer. Its request is under way until the body was read or given up.
struct TrackedBody {
    body: Body,
    _request: UnderWay,
}

impl hyper::body::Body for TrackedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits until there was no request for this time.
async fn idle(mut requests: watch::Receiver<usize>, time: Duration) {
    loop {
        let nothing = *requests.borrow_and_update() == 0;
        let changed = requests.changed();
        let changed = match nothing {
            true => match tokio::time::timeout(time, changed).await {
                Ok(changed) => changed,
                Err(_) => return,
            },
            false => changed.await,
        };
        if changed.is_err() {
            // The connection ends by itself.
            std::future::pending::<()>().await;
        }
    }
}

/// Answers that the server is full. It is ignored if the client does not receive the answer.
fn turn_away(socket: TcpStream) {
    const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
        content-length: 51\r\nconnection: close\r\n\r\n{\"error\":\"ERR max concurrent connections exceeded\"}";
    if let Ok(mut socket) = socket.into_std() {
        let _ = socket.write_all(FULL);
        let _ = socket.shutdown(Shutdown::Write);
    }
}
