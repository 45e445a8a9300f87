//! Subscriptions over REST: events, gaps, refusals.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::{Error, ErrorKind, Event, Subscriber};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::{RedisServer, number, runner, seed};
use futures_util::StreamExt;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

async fn start() -> (Server, Client) {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let client = Client::rest(&server.url(), server.token()).unwrap();
    (server, client)
}

async fn event(subscriber: &mut Subscriber) -> Event {
    subscriber.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn bytes_that_are_no_text_name_channels_over_tcp_and_in_the_engine() {
    let redis = RedisServer::start();
    let name = vec![b'n', 0xff, 0, b'\r'];
    for client in [Client::memory(), redis.client()] {
        let mut news = client.subscribe([name.clone()]).await.unwrap();
        let mut all = client.psubscribe([vec![b'n', 0xff, b'*']]).await.unwrap();
        assert_eq!(client.publish(name.clone(), vec![0xfe]).await.unwrap(), 2);
        for subscriber in [&mut news, &mut all] {
            let message = subscriber.message().await.unwrap();
            assert_eq!((&message.channel[..], &message.payload[..]), (&name[..], &[0xfe][..]));
        }
    }
    // Events over REST are text.
    let (server, client) = start().await;
    for name in [&name[..], b"\xff", b"a\rb"] {
        let refusals = [
            client.subscribe([name.to_vec()]).await.map(drop),
            client.psubscribe([name.to_vec()]).await.map(drop),
            client.subscribe([b"fine".to_vec(), name.to_vec()]).await.map(drop),
        ];
        for refused in refusals {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(
                error.message().contains("base64") && error.message().contains("TCP"),
                "{error}"
            );
        }
        let error = client.publish(name.to_vec(), "v").await.unwrap_err();
        assert!(error.message().contains("base64"), "{error}");
    }
    server.stop().await;
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

/// Text of what divides lines and fields, and of what is like it.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"a",
        b"b",
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b" ",
        b"data: ",
        b"message,",
        b"\xff",
        b":",
        b"\xe2\x80\xa8",
        b"\x0b",
        b"\xef\xbb\xbf",
        b"*",
        b"[",
        b"%0D",
        b"id: 1\n",
        b"\n\n",
    ];
    prop::collection::vec(select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

/// What is published arrives as it is, or its publisher gets an error, or its listeners see a gap.
#[test]
fn no_payload_and_no_channel_forges_a_message() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, client) = runtime.block_on(start());
    let config = Config {
        cases: number("PROPTEST_CASES").unwrap_or(60) as u32,
        failure_persistence: None,
        ..Config::default()
    };
    let published = prop::collection::vec((text(), text()), 1..6);
    let result = runner(config, seed()).run(&published, |messages| {
        runtime.block_on(async {
            let mut everything = client.psubscribe(["*"]).await.unwrap();
            let (first, _) = &messages[0];
            let mut one = client.subscribe([first.clone()]).await;
            for (channel, payload) in &messages {
                match client.publish(channel, payload).await {
                    Ok(_) => {
                        match event(&mut everything).await {
                            Event::Message(message) => {
                                prop_assert_eq!(&message.channel[..], &channel[..]);
                                prop_assert_eq!(&message.payload[..], &payload[..]);
                            }
                            // A comma in a channel whose pattern does not name it.
                            Event::Lost(_) => {
                                prop_assert!(channel.contains(&b','));
                                prop_assert!(matches!(
                                    event(&mut everything).await,
                                    Event::Resumed
                                ));
                            }
                            _ => prop_assert!(false, "a gap has an end only after its beginning"),
                        }
                        if let Ok(one) = one.as_mut()
                            && channel == first
                        {
                            let Event::Message(message) = event(one).await else {
                                return Err(TestCaseError::fail(
                                    "a channel of its own has no gaps",
                                ));
                            };
                            prop_assert_eq!(&message.channel[..], &channel[..]);
                            prop_assert_eq!(&message.payload[..], &payload[..]);
                        }
                    }
                    Err(error) => {
                        // The client refuses some of it itself.
                        let refused = error.kind() == ErrorKind::Unsupported;
                        prop_assert!(refused || error.code() == Some("ERR"), "{}", error);
                        let carried = |bytes: &[u8]| {
                            std::str::from_utf8(bytes).is_ok() && !bytes.contains(&b'\r')
                        };
                        prop_assert!(!carried(channel) || !carried(payload), "{}", error);
                    }
                }
            }
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    runtime.block_on(server.stop());
}

#[tokio::test]
async fn what_events_cannot_carry_is_a_gap_when_it_comes_by_another_way() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let client = Client::rest(&server.url(), server.token()).unwrap();
    let mut news = client.psubscribe(["n*"]).await.unwrap();
    for forged in [&b"x\rdata: pmessage,n*,nobody,forged"[..], b"x\r\n\r\nevent: y", b"\xff"] {
        redis.client().publish("news", forged).await.unwrap();
        let Event::Lost(_) = event(&mut news).await else { panic!("the gap does not show") };
        assert!(matches!(event(&mut news).await, Event::Resumed));
    }
    redis.client().publish("news", "a\nb").await.unwrap();
    assert_eq!(news.message().await.unwrap().payload, "a\nb");
    server.stop().await;
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_cut_off_by_what_it_holds() {
    let client = Client::memory();
    let mut lazy = client.subscribe(["c"]).await.unwrap();
    let payload = vec![b'x'; 1024 * 1024];
    let mut delivered = 0;
    while client.publish("c", &payload).await.unwrap() == 1 {
        delivered += 1;
        assert!(delivered < 100, "more than 100 MB wait");
    }
    assert!(delivered >= 8, "{delivered}");
    let mut read = 0;
    while let Event::Message(_) = event(&mut lazy).await {
        read += 1;
    }
    assert_eq!(read, delivered, "what was taken is not lost, and the end shows");

    // One that reads may get any amount.
    let mut eager = client.subscribe(["c"]).await.unwrap();
    for _ in 0..100 {
        assert_eq!(client.publish("c", &payload).await.unwrap(), 1);
        assert_eq!(eager.message().await.unwrap().payload.len(), payload.len());
    }
}
