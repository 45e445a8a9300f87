//! Connections: accepted until the server stops, then finished.

use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::http::{self, Service};

/// How long requests under way may take after the server was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(10);

pub(crate) async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    mut closing: watch::Receiver<bool>,
) {
    let connections = GracefulShutdown::new();
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                // Out of file descriptors, or the peer has gone already: others may fare better.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = told_to_stop(&mut closing) => break,
        };
        // Answers are small and awaited.
        let _ = socket.set_nodelay(true);
        let service = Arc::clone(&service);
        let handler = service_fn(move |request| http::handle(Arc::clone(&service), request));
        let builder = Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection(TokioIo::new(socket), handler).into_owned();
        let connection = connections.watch(connection);
        // A connection's end is the client's business, whatever it looks like.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_REQUESTS, connections.shutdown()).await;
}

/// Waits until the server is stopped; if its handle was dropped, it runs on.
pub(crate) async fn told_to_stop(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}
