//! The TCP transport: connections that come back, credentials, subscriptions that end.

use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, Event, Value};
use edgecask_tests::RedisServer;
use futures_util::StreamExt;

#[tokio::test]
async fn a_lost_connection_comes_back() {
    let redis = RedisServer::start();
    let client = redis.client();
    client.set("k", "v").await.unwrap();
    assert_ne!(redis.by_hand("CLIENT KILL TYPE normal SKIPME yes"), ":0");
    // The loss is noticed by the next command, which may fail; the one after it finds a new connection.
    let _ = client.get::<String>("k").await;
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("v"));
}

#[tokio::test]
async fn a_client_may_be_made_before_its_server() {
    let port = edgecask_tests::free_port();
    let client = Client::tcp(&format!("redis://127.0.0.1:{port}")).unwrap();
    assert!(client.ping().await.is_err());
    let _redis = RedisServer::on_port(port);
    client.ping().await.unwrap();
}

/// A host that dies says nothing; only TCP's own questions find out.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_silent_connection_is_watched() {
    const KEEPALIVE: &str = "02";
    const SENDING: &str = "01";
    let redis = RedisServer::start();
    let client = redis.client();
    client.ping().await.unwrap();
    let _messages = client.subscribe(["a"]).await.unwrap();
    // The fields: number, local address, remote address, state, queues, the timer that runs and when it ends, …
    let remote = format!("0100007F:{:04X}", redis.port());
    let timer = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields[2] == remote).then(|| fields[5][..2].to_owned())
    };
    let timers = loop {
        let connections = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let timers: Vec<String> = connections.lines().skip(1).filter_map(timer).collect();
        // What was sent a moment ago has a timer of its own, until it is acknowledged.
        if !timers.iter().any(|timer| timer == SENDING) {
            break timers;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(timers, [KEEPALIVE; 2]);
}

#[tokio::test]
async fn credentials_come_from_the_url_or_beside_it() {
    let redis = RedisServer::start();
    let user = Command::new("ACL").args_from(["SETUSER", "ada", "on", ">secret", "~*", "+@all"]);
    redis.client().execute::<()>(user).await.unwrap();
    let default = Command::new("CONFIG").args_from(["SET", "requirepass", "secret2"]);
    redis.client().execute::<()>(default).await.unwrap();

    let port = redis.port();
    Client::tcp(&format!("redis://ada:secret@127.0.0.1:{port}")).unwrap().ping().await.unwrap();
    Client::tcp(&format!("redis://:secret2@127.0.0.1:{port}")).unwrap().ping().await.unwrap();
    let options = TcpOptions::new(format!("redis://ada@127.0.0.1:{port}")).password("secret");
    let client = Client::new(TcpTransport::new(options).unwrap());
    assert_eq!(client.execute::<String>(Command::new("ACL").arg("WHOAMI")).await.unwrap(), "ada");
}

#[tokio::test]
async fn databases_are_apart() {
    let redis = RedisServer::start();
    let second = Client::tcp(&format!("{}/2", redis.url())).unwrap();
    second.set("k", "v").await.unwrap();
    assert_eq!(redis.client().exists(["k"]).await.unwrap(), 0);
    assert_eq!(second.exists(["k"]).await.unwrap(), 1);
}

#[tokio::test]
async fn a_subscriber_shows_the_gap_and_goes_on() {
    let redis = RedisServer::start();
    let port = redis.port();
    let client = redis.client();
    let mut events = client.subscribe(["a", "b"]).await.unwrap();
    client.publish("b", "hello").await.unwrap();
    let message = events.message().await.unwrap();
    assert_eq!((&message.channel[..], &message.payload[..]), (&b"b"[..], &b"hello"[..]));

    drop(redis);
    assert!(matches!(events.next().await, Some(Ok(Event::Lost(_)))));
    let redis = RedisServer::on_port(port);
    assert!(matches!(events.next().await, Some(Ok(Event::Resumed))));
    assert_eq!(redis.client().publish("a", "again").await.unwrap(), 1);
    assert_eq!(events.message().await.unwrap().payload, "again");
}

#[tokio::test]
async fn a_discarded_transaction_leaves_the_connection_usable() {
    let redis = RedisServer::start();
    let client = redis.client();
    let bad = [Command::new("SET").arg("k").arg("v"), Command::new("NOSUCHCOMMAND")];
    for _ in 0..3 {
        assert!(client.send_transaction(&bad).await.is_err());
        assert_eq!(client.send(&Command::new("PING")).await.unwrap(), Value::Simple("PONG".into()));
    }
    assert_eq!(client.exists(["k"]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_refused_connection_tells_the_code_and_text_of_the_server() {
    let redis = RedisServer::with(["--busy-reply-threshold", "20"]);
    let port = redis.port();
    let url = format!("redis://127.0.0.1:{port}/3");
    let set = Command::new("CONFIG").args_from(["SET", "requirepass", "secret2"]);
    redis.client().execute::<()>(set).await.unwrap();
    let error = Client::tcp(&url).unwrap().ping().await.unwrap_err();
    assert_eq!((error.code(), error.outcome()), (Some("NOAUTH"), edgecask::Outcome::NotSent));
    assert!(error.message().contains("Authentication required"), "{error}");
    let wrong = format!("redis://:wrong-secret@127.0.0.1:{port}/3");
    let error = Client::tcp(&wrong).unwrap().ping().await.unwrap_err();
    assert_eq!(error.code(), Some("WRONGPASS"), "{error}");
    assert!(!format!("{error:?}").contains("wrong-secret"), "{error:?}");
}
