//! Servers that answer without end: every call ends with a typed error, and little of the answer is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::rest::{Encoding, RestOptions, RestTransport};
use edgecask::{Client, Error, ErrorKind, Event};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::RedisServer;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const MIB: u64 = 1024 * 1024;
/// What the buffers of two sockets on this host may hold besides what the client read.
const BUFFERED: u64 = 24 * MIB;

/// A server that sends this head, and then this piece until nobody takes it; and how many bytes were taken.
async fn endless(head: &'static str, piece: &'static str) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let pieces = piece.repeat(64 * 1024 / piece.len());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (count, pieces) = (Arc::clone(&count), pieces.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let _ = socket.read(&mut request).await.unwrap();
                socket.write_all(head.as_bytes()).await.unwrap();
                while socket.write_all(pieces.as_bytes()).await.is_ok() {
                    count.fetch_add(pieces.len() as u64, Ordering::SeqCst);
                }
            });
        }
    });
    (url, taken)
}

fn options(url: &str) -> RestOptions {
    RestOptions::new(url, "token").encoding(Encoding::Base64)
}

fn client(options: RestOptions) -> Client {
    Client::new(RestTransport::new(options).unwrap()).layer(Deadline::new(Duration::from_secs(30)))
}

async fn ask(head: &'static str, piece: &'static str) -> (Error, u64) {
    let (url, taken) = endless(head, piece).await;
    let error = client(options(&url)).get::<String>("key").await.unwrap_err();
    (error, taken.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_answer_has_a_limit() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n{\"result\":\"",
        "HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n{\"result\":\"",
    ] {
        let (error, taken) = ask(head, "YWFh").await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(200)), "{error}");
        assert!(error.message().contains("max_response_bytes"), "{error}");
        assert!(taken <= 32 * MIB + BUFFERED, "{taken}");
    }
}

#[tokio::test]
async fn little_is_read_of_an_answer_without_success() {
    for (head, kind) in [
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", ErrorKind::Unauthorized),
        ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 10000000000\r\n\r\n", ErrorKind::Http),
    ] {
        let (error, taken) = ask(head, "an error page without end ").await;
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains("an error page without end"), "{error}");
        assert!(taken <= BUFFERED, "{taken}");
        let (url, taken) = endless(head, "an error page without end ").await;
        let error = client(options(&url)).subscribe(["c"]).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(taken.load(Ordering::SeqCst) <= BUFFERED);
    }
}

#[tokio::test]
async fn a_limit_can_be_set() {
    let (url, _) = endless("HTTP/1.1 200 OK\r\n\r\n", "{\"result\":1}").await;
    let error = client(options(&url).max_response_bytes(1000)).get::<String>("key").await;
    assert!(error.unwrap_err().message().contains("1000 bytes"));
}

#[tokio::test]
async fn depth_and_counts_have_limits() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let fill = "for i = 1, 500001 do redis.call('RPUSH', KEYS[1], '') end";
    redis.client().eval::<Option<()>>(fill, ["l"], [""; 0]).await.unwrap();
    let ask = async |options: RestOptions, command: Command| -> Result<(), String> {
        let client = Client::new(RestTransport::new(options).unwrap());
        let error = client.send(&command).await.err();
        error.map_or(Ok(()), |error| {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
            Err(error.message().to_owned())
        })
    };
    for encoding in [Encoding::Base64, Encoding::Resp2] {
        let options = || RestOptions::new(server.url(), server.token()).encoding(encoding);
        let range = |last: i64| Command::new("LRANGE").arg("l").arg(0).arg(last);
        let error = ask(options(), range(-1)).await.unwrap_err();
        assert!(error.contains("500000") && error.contains("max_values"), "{error}");
        ask(options(), range(1000)).await.unwrap();
        ask(options().max_values(1_000_000), range(-1)).await.unwrap();
        ask(options().max_values(100), range(1000)).await.unwrap_err();

        let nested = |depth: usize| {
            let script = format!("return {}1{}", "{".repeat(depth), "}".repeat(depth));
            Command::new("EVAL").arg(script).arg(0)
        };
        ask(options(), nested(10)).await.unwrap();
        ask(options().max_depth(10), nested(10)).await.unwrap();
        let error = ask(options().max_depth(9), nested(10)).await.unwrap_err();
        assert!(error.contains("max_depth"), "{error}");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_event_has_a_limit() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    for piece in ["data: x", "data: x\n", "data: x\r\n", ":"] {
        let (url, taken) = endless(head, piece).await;
        let client = client(options(&url).max_event_bytes(1024 * 1024));
        let error = client.subscribe(["c"]).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{piece:?}");
        assert!(error.message().contains("max_event_bytes"), "{error}");
        assert!(taken.load(Ordering::SeqCst) <= BUFFERED, "{piece:?}");
    }
    let head =
        "HTTP/1.1 200 OK\r\n\r\ndata: subscribe,c,1\n\ndata: message,c,hi\n\ndata: message,c,";
    let (url, taken) = endless(head, "x").await;
    let client = client(options(&url).max_event_bytes(1024 * 1024));
    let mut events = client.subscribe(["c"]).await.unwrap();
    assert_eq!(events.message().await.unwrap().payload, "hi");
    match events.next().await.unwrap().unwrap() {
        Event::Lost(error) => assert_eq!(error.kind(), ErrorKind::Protocol),
        other => panic!("{other:?}"),
    }
    assert!(taken.load(Ordering::SeqCst) <= BUFFERED);
}
