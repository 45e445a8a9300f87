//! Clients by URL, and what the order of the builder's layers is for, against real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::ErrorKind;
use edgecask::layer::{CircuitBreaker, KeyPrefix, Observe, RequestBudget, Retry};
use edgecask::prelude::*;
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::RedisServer;

#[tokio::test]
async fn every_url_opens_a_client() {
    let server = Server::start(ServerOptions::memory().token("to:k@n%")).await.unwrap();
    let redis = RedisServer::with(["--requirepass", "to:k@n%"]);
    let within = |url: &str| url.replace("://", "://:to%3Ak%40n%25@");
    let clients = [
        Client::open("memory:").unwrap(),
        Client::open(&within(&server.url())).unwrap(),
        Client::builder().token("to:k@n%").url(server.url()).build().unwrap(),
        Client::open(&within(&redis.url())).unwrap(),
        Client::builder().url(redis.url()).token("to:k@n%").build().unwrap(),
    ];
    for client in clients {
        client.set("k", "v").await.unwrap();
        assert_eq!(client.get::<String>("k").required().await.unwrap(), "v", "{client:?}");
    }
    let stranger = Client::builder().url(server.url()).token("other").build().unwrap();
    assert_eq!(stranger.ping().await.unwrap_err().kind(), ErrorKind::Unauthorized);
    server.stop().await;
}

#[tokio::test]
async fn a_call_is_seen_once_and_each_attempt_is_paid_for() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&calls);
    let client = Client::builder()
        .observe(Observe::new().each(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        }))
        .request_budget(RequestBudget::new().requests(2))
        .retry(Retry::new().base(Duration::ZERO))
        .url(server.url())
        .token(server.token())
        .build()
        .unwrap();
    // Safe to send again, so that it takes two requests of the budget.
    server.inject(Fault::BadGateway);
    assert_eq!(client.get::<String>("k").await.unwrap(), None);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(client.get::<String>("k").await.unwrap_err().kind(), ErrorKind::BudgetSpent);
    server.stop().await;
}

#[tokio::test]
async fn the_circuit_opens_after_deadlines() {
    let redis = RedisServer::start();
    let client = Client::builder()
        .circuit_breaker(CircuitBreaker::new().failures(1))
        .deadline(Duration::from_secs(5))
        .url(redis.url());
    let client = client.deadline(Duration::from_millis(200)).build().unwrap();
    client.ping().await.unwrap();
    redis.pause();
    assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::CircuitOpen);
}

#[tokio::test]
async fn layers_of_ones_own_see_calls_outside_and_round_trips_inside() {
    let redis = RedisServer::start();
    let client = Client::builder()
        .layer(KeyPrefix::new("outer:"))
        .key_prefix("named:")
        .transport_layer(KeyPrefix::new("inner:"))
        .url(redis.url())
        .build()
        .unwrap();
    client.set("k", "v").await.unwrap();
    assert_eq!(redis.client().keys::<String>("*").await.unwrap(), ["inner:named:outer:k"]);
}

#[tokio::test]
async fn a_call_of_any_kind_can_be_limited() {
    let redis = RedisServer::start();
    let client = redis.client();
    let soon = Duration::from_millis(50);
    redis.pause();
    let error = client.get::<String>("k").within(soon).required().await.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Timeout, Some("GET k")));
    let error = client.get::<String>("k").required().within(soon).await.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Timeout, Some("GET k")));
    let script = edgecask::Script::new("return 1");
    let error = client.run_script::<i64>(&script, ["k"], [""; 0]).within(soon).await.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Timeout, Some("EVALSHA k")));
    let error = client.pipelined(|p| (p.incr("k"),)).within(soon).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}
