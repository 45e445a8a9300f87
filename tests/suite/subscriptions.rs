//! Subscriptions over REST: events, gaps, refusals.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::{Error, ErrorKind, Event, Subscriber};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::RedisServer;
use futures_util::StreamExt;

async fn start() -> (Server, Client) {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let client = Client::rest(&server.url(), server.token()).unwrap();
    (server, client)
}

async fn event(subscriber: &mut Subscriber) -> Event {
    subscriber.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_closed_stream_shows_as_a_gap_and_is_opened_again() {
    let (server, client) = start().await;
    server.inject(Fault::CloseStream);
    let mut news = client.subscribe(["news"]).await.unwrap();
    let Event::Lost(error) = event(&mut news).await else { panic!("the gap does not show") };
    assert_eq!(error.kind(), ErrorKind::Disconnected);
    assert!(matches!(event(&mut news).await, Event::Resumed));
    assert_eq!(client.publish("news", "again").await.unwrap(), 1);
    assert_eq!(news.message().await.unwrap().payload, "again");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_opened_again() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    // Shorter than the server's time between two comments.
    let options =
        RestOptions::new(server.url(), server.token()).idle_timeout(Duration::from_millis(50));
    let client = Client::new(RestTransport::new(options).unwrap());
    let mut news = client.subscribe(["news"]).await.unwrap();
    let Event::Lost(error) = event(&mut news).await else { panic!("the gap does not show") };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(matches!(event(&mut news).await, Event::Resumed));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_at_once() {
    let (server, client) = start().await;
    let mut news = client.subscribe(["news"]).await.unwrap();
    server.stop().await;
    assert!(matches!(event(&mut news).await, Event::Lost(_)));
}

#[tokio::test]
async fn what_cannot_be_mended_ends_the_stream_with_its_error() {
    let (server, client) = start().await;
    let stranger = Client::rest(&server.url(), "wrong").unwrap();
    let refused = |result: Result<Subscriber, Error>| result.map(drop).unwrap_err();
    let error = refused(stranger.subscribe(["news"]).await);
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));

    // The token is taken away while somebody listens.
    server.inject(Fault::CloseStream);
    let mut news = client.subscribe(["news"]).await.unwrap();
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    assert!(matches!(event(&mut news).await, Event::Lost(_)));
    server.stop().await;
    let other = Server::start(ServerOptions::memory().port(port).token("other")).await.unwrap();
    assert_eq!(
        refused(news.message().await.map(|_| unreachable!())).kind(),
        ErrorKind::Unauthorized
    );
    assert!(news.next().await.is_none());
    other.stop().await;
}

#[tokio::test]
async fn bytes_arrive_where_the_wire_carries_them() {
    let redis = RedisServer::start();
    for client in [redis.client(), Client::memory()] {
        let mut messages = client.subscribe(["c"]).await.unwrap();
        assert_eq!(client.publish("c", &b"a\r\n\xff"[..]).await.unwrap(), 1);
        assert_eq!(messages.message().await.unwrap().payload, &b"a\r\n\xff"[..]);
        assert_eq!(client.pubsub_channels::<String>("*").await.unwrap(), ["c"]);
        assert_eq!(
            client.pubsub_numsub::<String>(["c", "d"]).await.unwrap(),
            [("c".to_owned(), 1), ("d".to_owned(), 0)]
        );
        assert_eq!(client.pubsub_numpat().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_reader_may_listen_but_not_watch() {
    let server =
        Server::start(ServerOptions::memory().token("all").read_only_token("read")).await.unwrap();
    let reader = Client::rest(&server.url(), "read").unwrap();
    drop(reader.subscribe(["news"]).await.unwrap());
    let error = reader.monitor().await.map(drop).unwrap_err();
    assert_eq!(error.code(), Some("NOPERM"));
    server.stop().await;
}
