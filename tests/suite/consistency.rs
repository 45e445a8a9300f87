//! Reads see the writes that were answered before them, on a replica that lags as far as one likes.

use std::time::Duration;

use edgecask::prelude::*;
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::until;
use futures_util::future::join_all;

async fn lagging() -> Server {
    Server::start(ServerOptions::memory().lagging_replica(None)).await.unwrap()
}

fn transport(server: &Server, read_your_writes: bool) -> RestTransport {
    let options = RestOptions::new(server.url(), server.token());
    RestTransport::new(options.read_your_writes(read_your_writes)).unwrap()
}

/// Waits until the request for which a fault was injected has arrived.
async fn until_drawn(server: &Server) {
    until(async || server.pending_faults() == 0).await;
}

async fn value(client: &Client, key: &str) -> Option<String> {
    client.get(key).await.unwrap()
}

#[tokio::test]
async fn a_read_with_the_token_never_sees_the_past() {
    let server = lagging().await;
    let with = Client::new(transport(&server, true));
    let without = Client::new(transport(&server, false));
    for round in 0..20 {
        let text = round.to_string();
        with.set("k", &text).await.unwrap();
        assert_eq!(value(&with, "k").await, Some(text.clone()));
        assert_ne!(value(&without, "k").await, Some(text), "the replica lags");
        if round % 3 == 0 {
            server.replicate();
            assert_eq!(value(&without, "k").await, Some(round.to_string()));
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_can_be_handed_on() {
    let server = lagging().await;
    let shared = transport(&server, true);
    let (writer, reader) = (Client::new(shared.session()), Client::new(shared.session()));
    assert_eq!(writer.sync_token(), None);
    writer.set("k", "v").await.unwrap();
    assert_eq!(value(&reader, "k").await, None, "another session has not seen the write");
    reader.set_sync_token(&writer.sync_token().unwrap());
    assert_eq!(value(&reader, "k").await.as_deref(), Some("v"));
    server.stop().await;
}

#[tokio::test]
async fn late_answers_take_nothing_back() {
    let server = lagging().await;
    let client = Client::new(transport(&server, true));
    client.set("a", "1").await.unwrap();
    server.replicate();
    let old = client.sync_token();
    // A read that began before the write is answered after it, with the token of an older state.
    server.inject(Fault::DelayReply(Duration::from_millis(100)));
    let read = client.get::<String>("a");
    let write = async {
        until_drawn(&server).await;
        client.set("a", "2").await
    };
    let (read, written) = tokio::join!(read, write);
    read.unwrap();
    written.unwrap();
    assert_ne!(client.sync_token(), old);
    assert_eq!(value(&client, "a").await.as_deref(), Some("2"));
    server.stop().await;
}

#[tokio::test]
async fn writes_that_overlap_are_all_seen() {
    let server = lagging().await;
    for round in 0..10 {
        let client = Client::new(transport(&server, true));
        let without = Client::new(transport(&server, false));
        let text = round.to_string();
        // The first write is carried out first and answered last, so the token that comes last is the older one.
        server.inject(Fault::DelayReply(Duration::from_millis(60)));
        let first = client.set("a", &text);
        let second = async {
            // The replica sees it, and not the second one.
            until(async || {
                server.replicate();
                value(&without, "a").await.as_deref() == Some(text.as_str())
            })
            .await;
            client.set("b", &text).await?;
            Ok::<_, edgecask::Error>(())
        };
        let (first, second) = tokio::join!(first, second);
        first.unwrap();
        second.unwrap();
        assert_eq!(value(&client, "b").await, Some(text.clone()), "round {round}");
        assert_eq!(value(&client, "a").await, Some(text), "round {round}");
    }
    server.stop().await;
}

#[tokio::test]
async fn many_tasks_read_what_they_wrote() {
    const ROUNDS: u64 = 20;
    let server = lagging().await;
    let client = Client::new(transport(&server, true));
    let tasks = (0..32).map(async |task| {
        for round in 0..ROUNDS {
            let (key, text) = (format!("k{task}"), round.to_string());
            client.set(&key, &text).await.unwrap();
            if (task * ROUNDS + round).is_multiple_of(97) {
                // From here on the replica has seen some of the writes.
                server.replicate();
            }
            assert_eq!(value(&client, &key).await, Some(text));
        }
    });
    join_all(tasks).await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_breaks_its_promise_is_seen_to() {
    let server = lagging().await;
    let client = Client::new(transport(&server, true));
    client.set("k", "v").await.unwrap();
    // The proof that the tests above could fail: the same read, answered by the replica in spite of its token.
    server.inject(Fault::StaleReplica);
    assert_eq!(value(&client, "k").await, None);
    assert_eq!(value(&client, "k").await.as_deref(), Some("v"));
    server.stop().await;
}
