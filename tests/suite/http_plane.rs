//! What is around HTTP requests and around the parts of a long pipeline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::layer::{AutoPipeline, CircuitBreaker, RequestBudget, Retry};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Transport;
use edgecask::transport::memory::MemoryTransport;
use edgecask::transport::rest::{
    Encoding, HttpClient, HttpRequest, HttpResponse, HttpStream, RestOptions, RestTransport,
};
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, ErrorKind, Outcome, Result, Value};
use edgecask_server::{Fault, Server, ServerOptions};
use edgecask_tests::RedisServer;

#[derive(Debug)]
struct Counting(Arc<dyn HttpClient>, Arc<AtomicU64>);

impl HttpClient for Counting {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.post(request)
    }
    fn can_stream(&self) -> bool {
        self.0.can_stream()
    }
    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.open(request)
    }
}

fn pushes(count: usize) -> Vec<Command> {
    (0..count).map(|n| Command::new("RPUSH").arg("list").arg(n)).collect()
}

#[tokio::test]
async fn a_budget_counts_http_requests() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let requests = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&requests);
    let options = RestOptions::new(server.url(), server.token()).http_layer(move |inner| {
        Arc::new(Counting(inner, Arc::clone(&counter))) as Arc<dyn HttpClient>
    });
    let shared = RestTransport::new(options).unwrap();

    // A pipeline of 2500 commands is three requests, with any layers around it.
    let budget = RequestBudget::new().requests(3).start();
    let client = Client::new(shared.session().http_layer(budget.clone()))
        .layer(AutoPipeline::new())
        .layer(Retry::new());
    let results = client.send_pipeline(&pushes(2500)).await.unwrap();
    assert!(results.len() == 2500 && results.iter().all(Result::is_ok));
    assert_eq!((budget.left(), requests.swap(0, Ordering::SeqCst)), (0, 3));
    assert_eq!(client.ping().await.unwrap_err().kind(), ErrorKind::BudgetSpent);
    assert_eq!(requests.load(Ordering::SeqCst), 0);

    // One that does not last for all parts: what was not sent says so.
    let client = Client::new(shared.session().http_layer(RequestBudget::new().requests(1)));
    let results = client.send_pipeline(&pushes(1500)).await.unwrap();
    assert!(results[..1000].iter().all(Result::is_ok));
    for item in &results[1000..] {
        let error = item.as_ref().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::BudgetSpent, Outcome::NotSent));
    }
    assert_eq!(requests.swap(0, Ordering::SeqCst), 1);

    // The request that finds out how the server writes counts, and one that joins sync tokens, and a subscription.
    let budget = RequestBudget::new().requests(10).start();
    let client = Client::new(shared.session().http_layer(budget.clone()));
    client.get::<String>("k").await.unwrap();
    drop(client.subscribe(["a", "b"]).await.unwrap());
    assert_eq!(10 - budget.left(), requests.load(Ordering::SeqCst));
    assert!(budget.left() <= 7);
    server.stop().await;
}

/// Answers one request, and loses what the next one did.
fn lose_the_second(server: &Server) {
    server.inject(Fault::Delay(Duration::ZERO));
    server.inject(Fault::DropAfter);
}

#[tokio::test]
async fn a_part_that_was_lost_leaves_the_others_known() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let options = RestOptions::new(server.url(), server.token())
        .encoding(Encoding::Base64)
        .pipeline_limits(10, 1_000_000);
    let transport = RestTransport::new(options).unwrap();
    let outcomes = |results: &[Result<Value>]| -> Vec<Option<Outcome>> {
        results.iter().map(|item| item.as_ref().err().map(|error| error.outcome())).collect()
    };

    // Retry sees each part: one that never arrived is sent again where that is safe, and the rest follows.
    let client = Client::new(transport.clone()).layer(Retry::new().base(Duration::from_millis(1)));
    let gets: Vec<_> = (0..25).map(|n| Command::new("GET").arg(n)).collect();
    lose_the_second(&server);
    let results = client.send_pipeline(&gets).await.unwrap();
    assert_eq!(outcomes(&results), [None; 25]);

    // Where it is not, the parts after it were not sent.
    lose_the_second(&server);
    let results = client.send_pipeline(&pushes(25)).await.unwrap();
    let told = outcomes(&results);
    assert_eq!(told[..10], [None; 10]);
    assert_eq!(told[10..20], [Some(Outcome::Unknown); 10]);
    assert_eq!(told[20..], [Some(Outcome::NotSent); 5]);
    assert_eq!(client.llen("list").await.unwrap(), 20);

    // A transport that has to split a batch that a layer made has what it did not send sent again.
    client.del(["list"]).await.unwrap();
    let retry = Retry::new().base(Duration::from_millis(1));
    let layered = edgecask::layer::Layer::wrap(retry, Arc::new(transport.clone()));
    lose_the_second(&server);
    let results = layered.pipeline(&pushes(25)).await.unwrap();
    let told = outcomes(&results);
    assert_eq!(told[10..20], [Some(Outcome::Unknown); 10]);
    assert_eq!(told[20..], [None; 5]);
    assert_eq!(client.llen("list").await.unwrap(), 25);

    // The breaker sees it too.
    let breaker = CircuitBreaker::new().failures(1).open_for(Duration::from_secs(3600));
    let layered = edgecask::layer::Layer::wrap(breaker, Arc::new(transport));
    lose_the_second(&server);
    layered.pipeline(&pushes(15)).await.unwrap();
    let error = layered.send(&Command::new("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CircuitOpen);

    // Bytes that no batch carries are found before anything is sent.
    let mut commands = pushes(25);
    commands.push(Command::new("SET").arg("k").arg(vec![0xff]));
    let error = client.send_pipeline(&commands).await.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Unsupported, Some("SET k")));
    assert_eq!(client.llen("list").await.unwrap(), 40);
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_sent_for_an_empty_batch() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let rest =
        RestOptions::new(server.url(), server.token()).http_layer(RequestBudget::new().requests(0));
    let transports: [Arc<dyn Transport>; 3] = [
        Arc::new(RestTransport::new(rest).unwrap()),
        Arc::new(TcpTransport::new(TcpOptions::new(redis.url())).unwrap()),
        Arc::new(MemoryTransport::new()),
    ];
    for transport in transports {
        assert!(transport.pipeline(&[]).await.unwrap().is_empty(), "{transport:?}");
        assert!(transport.transaction(&[]).await.unwrap().is_empty(), "{transport:?}");
    }
    server.stop().await;
}
