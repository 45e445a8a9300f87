//! Retries against a server that loses requests and answers on purpose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::layer::{AutoPipeline, Deadline, Retry};
use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::{Client, ErrorKind, Outcome};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::{RedisServer, free_port};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that treats its requests one after the other as the plan says, and the rest well; it counts them.
async fn serve(plan: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            if socket.read(&mut request).await.unwrap_or(0) == 0 {
                continue;
            }
            let number = requests.fetch_add(1, Ordering::SeqCst);
            let answer = match plan.get(number) {
                Some(&"close") => String::new(),
                Some(status) => {
                    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                }
                None => {
                    let body = r#"{"result":1}"#;
                    format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    )
                }
            };
            // The client may have hung up.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, count)
}

fn client(url: &str) -> Client {
    let retry = Retry::new().attempts(4).base(Duration::from_millis(1));
    Client::rest(url, "token").unwrap().layer(retry)
}

#[tokio::test]
async fn the_last_error_tells_how_often_it_was_tried() {
    let (url, _) = serve(&["502 Bad Gateway"; 9]).await;
    let error = client(&url).exists(["k"]).await.unwrap_err();
    assert_eq!(error.attempts(), 4);
    assert!(error.elapsed().is_some() && error.is_transient());
    assert!(error.to_string().contains("(4 attempts in "), "{error}");
    // What is not sent again has one attempt, and no word of it.
    let error = client(&url).incr("k").await.unwrap_err();
    assert_eq!((error.attempts(), error.elapsed()), (1, None));
    assert!(!error.to_string().contains("attempts"), "{error}");
}

#[tokio::test]
async fn what_is_safe_gets_through() {
    let (url, count) = serve(&["close", "502 Bad Gateway", "503 Service Unavailable"]).await;
    assert_eq!(client(&url).exists(["k"]).await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn attempts_are_exact() {
    let (url, count) = serve(&["close"; 10]).await;
    let error = client(&url).exists(["k"]).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
    assert_eq!(count.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn what_may_have_been_carried_out_is_sent_once() {
    for plan in [&["close"; 10], &["502 Bad Gateway"; 10]] {
        let (url, count) = serve(plan).await;
        let client = client(&url);
        assert_eq!(client.incr("k").await.unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(count.load(Ordering::SeqCst), 1);
        // One unsafe command makes the batch unsafe.
        let pipeline = client.pipeline();
        let _ = pipeline.get::<String>("k");
        let _ = pipeline.incr("k");
        assert_eq!(pipeline.exec().await.unwrap_err().outcome(), Outcome::Unknown);
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_throttled_command_was_not_carried_out() {
    let (url, count) = serve(&["429 Too Many Requests\r\nretry-after: 0"]).await;
    assert_eq!(client(&url).incr("k").await.unwrap(), 1);
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

/// A transport splits a long pipeline; the parts behind one that was throttled are sent with it.
#[tokio::test]
async fn a_throttled_part_is_sent_again_with_those_behind_it() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let options = RestOptions::new(server.url(), server.token()).pipeline_limits(2, usize::MAX);
    let client = Client::new(RestTransport::new(options).unwrap())
        .layer(Retry::new().base(Duration::from_millis(1)))
        .layer(AutoPipeline::new());
    server.inject(Fault::Delay(Duration::ZERO));
    server.inject(Fault::Throttle(Duration::ZERO));
    let counts = join_all((0..6).map(|_| client.incr("n"))).await;
    let counts: Vec<_> = counts.into_iter().map(Result::unwrap).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_comes_up_late_is_reached() {
    let port = free_port();
    let retry = Retry::new()
        .attempts(40)
        .base(Duration::from_millis(200))
        .longest(Duration::from_millis(200));
    let client = Client::tcp(&format!("redis://127.0.0.1:{port}")).unwrap().layer(retry);
    let (count, _redis) = tokio::join!(client.incr("k"), async {
        // The first attempt has nobody to connect to.
        tokio::task::spawn_blocking(move || RedisServer::on_port(port)).await.unwrap()
    });
    assert_eq!(count.unwrap(), 1);
}

#[tokio::test]
async fn a_deadline_outside_limits_all_attempts() {
    let (url, _) = serve(&["503 Service Unavailable\r\nretry-after: 4"; 10]).await;
    let client = client(&url).layer(Deadline::new(Duration::from_millis(200)));
    assert_eq!(client.exists(["k"]).await.unwrap_err().kind(), ErrorKind::Timeout);
}
