//! The layers together, and those that need a real server's absence.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use edgecask::layer::{
    AutoPipeline, CircuitBreaker, Deadline, Fallback, KeyPrefix, Observe, RequestBudget, Retry,
};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{Error, ErrorKind, Outcome, Result};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, free_port, until};
use futures_util::future::join_all;
use futures_util::poll;

async fn rest() -> (Server, Client) {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let client = Client::rest(&server.url(), server.token()).unwrap();
    (server, client)
}

#[tokio::test]
async fn a_fallback_takes_over_and_hands_back() {
    let port = free_port();
    let breaker = CircuitBreaker::new().failures(1).open_for(Duration::from_millis(10));
    let client = Client::tcp(&format!("redis://127.0.0.1:{port}"))
        .unwrap()
        .layer(breaker)
        .layer(Fallback::to(MemoryTransport::new()));
    client.set("k", "local").await.unwrap();
    assert_eq!(client.incr("n").await.unwrap(), 1, "what was never sent may go elsewhere");
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("local"));
    let pipeline = client.pipeline();
    let count = pipeline.incr("n");
    assert_eq!(pipeline.exec().await.unwrap().take(count).unwrap(), 2);

    let redis = RedisServer::on_port(port);
    redis.client().set("k", "remote").await.unwrap();
    until(async || client.get::<String>("k").await.unwrap().as_deref() == Some("remote")).await;
}

/// Of a batch it answers the first command, and never sends the others.
#[derive(Debug)]
struct FirstOnly;

impl Tap for FirstOnly {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let first = Trip { commands: &trip.commands[..1], ..trip };
            let mut results = first.go().await?;
            let lost = || Err(Error::new(ErrorKind::Connect, "no route"));
            results.resize_with(trip.commands.len(), lost);
            Ok(results)
        })
    }
}

#[tokio::test]
async fn a_fallback_takes_over_what_a_batch_did_not_send() {
    let engine = MemoryTransport::new();
    let client = Client::memory().layer(Tapped(FirstOnly));
    let client = client.layer(Fallback::to(engine.clone()));
    let set = |key: &str| Command::new("SET").arg(key).arg("v");
    let batch = [set("a"), set("b").without_fallback(), set("c"), Command::new("GET").arg("c")];
    let results = client.send_pipeline(&batch).await.unwrap();
    assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Connect);
    assert!(results[0].is_ok() && results[2].is_ok());
    assert_eq!(results[3].as_ref().unwrap().as_bytes().map(<[u8]>::to_vec), Some(b"v".to_vec()));
    let there = Client::new(engine);
    assert_eq!(there.exists(["a", "b", "c"]).await.unwrap(), 1, "and nothing else");
}

#[tokio::test]
async fn a_fallback_does_not_repeat_what_may_have_happened() {
    let (server, client) = rest().await;
    let client = client.layer(Fallback::to(MemoryTransport::new()));
    server.inject(Fault::DropAfter);
    assert_eq!(client.incr("n").await.unwrap_err().outcome(), Outcome::Unknown);
    server.inject(Fault::BadGateway);
    assert_eq!(client.get::<i64>("n").await.unwrap(), None, "a read may be asked elsewhere");
    assert_eq!(client.get::<i64>("n").await.unwrap(), Some(1));
    assert_eq!(
        client.llen("n").await.unwrap_err().code(),
        Some("WRONGTYPE"),
        "an answer is an answer"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_budget_counts_round_trips_and_limits_connections() {
    let (server, client) = rest().await;
    let most = Arc::new(Mutex::new((0, 0)));
    let seen = Arc::clone(&most);
    let client = client
        .layer(Observe::new().each(move |_| seen.lock().unwrap().0 += 1))
        .layer(RequestBudget::new().requests(9).connections(2));
    let results = join_all((0..12).map(|n| client.get::<String>(format!("k{n}")))).await;
    let spent: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(spent.len(), 3);
    assert_eq!((spent[0].kind(), spent[0].outcome()), (ErrorKind::BudgetSpent, Outcome::NotSent));
    assert_eq!(most.lock().unwrap().0, 9);
    server.stop().await;

    // Two connections at a time: the third waits until one of the slow ones is given up.
    let (server, client) = rest().await;
    let client = client.layer(RequestBudget::new().connections(2));
    for _ in 0..2 {
        server.inject(Fault::Delay(Duration::from_secs(3600)));
    }
    let slow: Vec<_> = (0..2).map(|_| tokio::spawn(client.get::<String>("k"))).collect();
    until(async || server.pending_faults() == 0).await;
    let third = tokio::spawn(client.get::<String>("k"));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!third.is_finished());
    slow[0].abort();
    assert_eq!(third.await.unwrap().unwrap(), None);
    slow[1].abort();
    server.stop().await;

    // What may not be made at all does not wait for a connection, and what did not leave is not counted.
    let (server, client) = rest().await;
    let budget = RequestBudget::new().requests(2).connections(1).start();
    let client = client.layer(budget.clone());
    server.inject(Fault::Delay(Duration::from_secs(3600)));
    let slow = tokio::spawn(client.get::<String>("k"));
    until(async || server.pending_faults() == 0).await;
    let mut waits = Box::pin(client.get::<String>("k"));
    assert!(poll!(&mut waits).is_pending());
    let mut spent = Box::pin(client.get::<String>("k"));
    let Poll::Ready(spent) = poll!(&mut spent) else { panic!("it waits for a connection") };
    assert_eq!(spent.unwrap_err().kind(), ErrorKind::BudgetSpent);
    drop(waits);
    assert_eq!(budget.left(), 1);
    slow.abort();
    assert_eq!(client.get::<String>("k").await.unwrap(), None);
    server.stop().await;
}

#[tokio::test]
async fn spans_and_counts_name_commands_and_no_values() {
    let client = Client::memory();
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let notes = Arc::clone(&seen);
    let client = client.layer(Observe::new().metrics().each(move |observed| {
        let error = observed.error.map(edgecask::Error::kind);
        notes.lock().unwrap().push((observed.name.to_owned(), observed.batch, error));
    }));
    client.set("k", "secret").await.unwrap();
    let pipeline = client.pipeline();
    drop((pipeline.get::<String>("k"), pipeline.incr("k")));
    pipeline.exec().await.unwrap();
    let expected = [
        ("SET".to_owned(), 1, None),
        ("GET".to_owned(), 2, None),
        ("INCR".to_owned(), 2, Some(ErrorKind::Server)),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_call_has_a_deadline_of_its_own() {
    let (server, client) = rest().await;
    server.inject(Fault::Delay(Duration::from_secs(3600)));
    let error = client.get::<String>("k").within(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Timeout, Some("GET k")));
    assert_eq!(client.get::<String>("k").within(Duration::from_secs(5)).await.unwrap(), None);
    server.stop().await;
}

#[tokio::test]
async fn all_layers_compose() {
    let (server, client) = rest().await;
    let other = Client::rest(&server.url(), server.token()).unwrap();
    let client = client
        .layer(RequestBudget::new())
        .layer(CircuitBreaker::default())
        .layer(AutoPipeline::new())
        .layer(Retry::new().base(Duration::from_millis(1)))
        .layer(Fallback::to(MemoryTransport::new()))
        .layer(Deadline::default())
        .layer(KeyPrefix::new("t:"))
        .layer(Observe::new());
    for fault in [Fault::DropBefore, Fault::BadGateway, Fault::Throttle(Duration::ZERO)] {
        server.inject(fault);
        client.set("k", "v").await.unwrap();
    }
    assert_eq!(other.get::<String>("t:k").await.unwrap().as_deref(), Some("v"));
    assert_eq!(client.keys::<String>("*").await.unwrap(), ["k"]);
    server.stop().await;
}

/// It never panics, which would end a Worker.
#[tokio::test]
async fn a_call_that_is_done_may_be_polled_again() {
    let client = Client::memory();
    let mut call = client.incr("k");
    assert_eq!((&mut call).await.unwrap(), 1);
    assert!(poll!(&mut call).is_pending());
    let mut batch = client.pipelined(|p| (p.incr("k"), p.incr("k")));
    assert_eq!((&mut batch).await.unwrap(), (2, 3));
    assert!(poll!(&mut batch).is_pending());
    client.set("k", "text").await.unwrap();
    let mut failing = client.transacted(|t| t.incr("k"));
    (&mut failing).await.unwrap_err();
    assert!(poll!(&mut failing).is_pending());
}
