//! Servers over TCP that send too much, or tell what they should not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::layer::Deadline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{ErrorKind, Event, Outcome};
use edgecask_tests::RedisServer;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server that lets everybody in, and answers whatever comes after that with `head`, then with `part` again and again,
/// until its client is gone. It tells its port and how much it could send.
async fn hostile(
    head: &'static [u8],
    part: &'static [u8],
    pause: Duration,
) -> (String, tokio::sync::mpsc::UnboundedReceiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (gone, sent) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let gone = gone.clone();
            tokio::spawn(async move {
                let mut received = Vec::new();
                while !received.ends_with(b"k\r\n") {
                    if client.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        return;
                    }
                    if received.windows(7).filter(|word| word == b"SETINFO").count() == 2 {
                        client.write_all(b"+OK\r\n+OK\r\n").await.unwrap();
                        received.clear();
                    }
                }
                let mut sent = 0;
                if client.write_all(head).await.is_ok() {
                    while client.write_all(part).await.is_ok() {
                        sent += part.len();
                        tokio::time::sleep(pause).await;
                    }
                }
                // The test may be over.
                let _ = gone.send(sent);
            });
        }
    });
    (url, sent)
}

fn client(options: TcpOptions) -> Client {
    Client::new(TcpTransport::new(options).unwrap())
}

const ROOM: usize = 1 << 20;
/// What the system keeps on the way.
const ON_THE_WAY: usize = 32 << 20;

#[tokio::test]
async fn a_reply_without_an_end_is_refused_at_the_limit() {
    static FILLING: [u8; 4096] = [b'a'; 4096];
    static ELEMENTS: [u8; 4096] = {
        let mut bytes = [b'\n'; 4096];
        let mut at = 0;
        while at + 4 <= 4096 {
            bytes[at] = b':';
            bytes[at + 1] = b'1';
            bytes[at + 2] = b'\r';
            at += 4;
        }
        bytes
    };
    let cases: [(&[u8], &[u8]); 5] = [
        (b"+", &FILLING),
        (b"-", &FILLING),
        (b"$10000000000\r\n", &FILLING),
        (b"*2000000000\r\n", &ELEMENTS),
        (b"%16000\r\n", &FILLING),
    ];
    for (head, part) in cases {
        let (url, mut sent) = hostile(head, part, Duration::ZERO).await;
        let client = client(TcpOptions::new(url).max_reply_bytes(ROOM));
        let client = client.layer(Deadline::new(Duration::from_secs(30)));
        let error = client.get::<String>("k").await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, Outcome::Unknown));
        let sent = sent.recv().await.unwrap();
        assert!(sent < ROOM + ON_THE_WAY, "{sent} bytes after {head:?}");
    }
}

#[tokio::test]
async fn a_reply_stops_growing_when_everybody_has_given_up() {
    let (url, mut sent) = hostile(b"+", b"aaaa", Duration::from_millis(5)).await;
    let options = TcpOptions::new(url).hung_after(Duration::from_millis(100));
    // Given up so early that the connection is not suspect yet, and then nobody calls again.
    let client = client(options).layer(Deadline::new(Duration::from_millis(20)));
    assert_eq!(client.get::<String>("k").await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(sent.recv().await.is_some(), "the connection was closed");
}

#[tokio::test]
async fn what_a_server_says_of_a_password_or_a_reply_is_not_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let answers: [&[u8]; 5] = [
        b"-ERR unknown user 'ada' with hunter2\r\n+OK\r\n+OK\r\n",
        b"-HUNTER2 what is this\r\n+OK\r\n+OK\r\n",
        b"-hunter2 what is this\r\n+OK\r\n+OK\r\n",
        b"?hunter2\r\n",
        b":hunter2\r\n",
    ];
    let at = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&at);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut received = [0; 1024];
            let _ = client.read(&mut received).await;
            client.write_all(answers[asked.fetch_add(1, Ordering::SeqCst)]).await.unwrap();
        }
    });
    for password in ["hunter2", "HUNTER2", "hunter2", "hunter2", "hunter2"] {
        let options = TcpOptions::new(&url).username("ada").password(password);
        let error = client(options).ping().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error:?}");
        let mut told = format!("{error} {error:?} {error:#?}").to_lowercase();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            told += &format!("{cause} {cause:?}").to_lowercase();
            source = cause.source();
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert_eq!(at.load(Ordering::SeqCst), 5);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_costs_bounded_memory_and_sees_the_gap() {
    let redis = RedisServer::start();
    let publisher = redis.client();
    let limit = "pubsub 2097152 2097152 1";
    publisher.config_set("client-output-buffer-limit", limit).await.unwrap();
    let client = client(TcpOptions::new(redis.url()).max_reply_bytes(ROOM));
    let mut messages = client.subscribe(["news", "more"]).await.unwrap();
    let payload = "x".repeat(64 << 10);
    // A reader that keeps up misses nothing, however much it is.
    for _ in 0..2 * ROOM / payload.len() {
        assert_eq!(publisher.publish("news", &payload).await.unwrap(), 1);
        assert_eq!(messages.message().await.unwrap().payload, payload);
    }
    let mut published = 0;
    while publisher.publish("news", &payload).await.unwrap() == 1 {
        published += payload.len();
        assert!(published < 10 * ON_THE_WAY, "all of it is kept here");
    }
    let mut read = 0;
    loop {
        match messages.next().await.unwrap().unwrap() {
            Event::Message(message) => read += message.payload.len(),
            Event::Lost(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(read >= ROOM / 2 && read <= published, "{read} of {published}");
}

#[tokio::test]
async fn a_reply_that_nobody_asked_for_ends_the_connection() {
    let (url, mut gone) = hostile(b"$1\r\na\r\n", b"+EXTRA\r\n", Duration::from_millis(1)).await;
    let client = client(TcpOptions::new(url)).layer(Deadline::default());
    for _ in 0..3 {
        match client.get::<String>("k").await {
            Ok(value) => assert_eq!(value.as_deref(), Some("a")),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Protocol, "{error}"),
        }
        let closed = tokio::time::timeout(Duration::from_secs(10), gone.recv()).await;
        assert!(closed.is_ok(), "the next caller would get a reply that is not its own");
    }
}
