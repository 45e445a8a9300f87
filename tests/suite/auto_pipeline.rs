//! Automatic pipelining: what shares a round trip, what waits for what, and whose error is whose.

use std::sync::{Arc, Mutex};

use edgecask::layer::{AutoPipeline, KeyPrefix};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::memory::{MemoryTransport, ScriptOptions};
use edgecask::transport::{Capabilities, Results};
use edgecask::{Error, ErrorKind, Result, Value};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip};
use futures_util::future::join_all;
use futures_util::{FutureExt, join, poll};
use tokio::sync::Semaphore;

/// Notes what each round trip carries, and lets it go on only when a permit is there.
#[derive(Debug)]
struct Trips {
    sent: Mutex<Vec<Vec<String>>>,
    permits: Semaphore,
    lost: Mutex<bool>,
}

impl Trips {
    fn sent(&self) -> Vec<Vec<String>> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    async fn pass(&self, commands: &[Command]) -> Result<()> {
        self.sent.lock().unwrap().push(commands.iter().map(Command::label).collect());
        self.permits.acquire().await.unwrap().forget();
        if std::mem::take(&mut *self.lost.lock().unwrap()) {
            return Err(Error::new(ErrorKind::Disconnected, "lost"));
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Watch(Arc<Trips>);

impl Tap for Watch {
    fn capabilities(&self, inner: Capabilities) -> Capabilities {
        Capabilities::new(inner.backend)
    }

    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            self.0.pass(trip.commands).await?;
            trip.go().await
        })
    }
}

/// A client whose round trips are noted; so many of them are let through.
fn watched(settings: AutoPipeline, permits: usize) -> (Client, Arc<Trips>) {
    let trips = Arc::new(Trips {
        sent: Mutex::default(),
        permits: Semaphore::new(permits),
        lost: Mutex::default(),
    });
    let client = Client::new(MemoryTransport::new()).layer(Tapped(Watch(Arc::clone(&trips))));
    (client.layer(settings), trips)
}

#[tokio::test]
async fn what_is_ready_together_goes_together() {
    let (client, trips) = watched(AutoPipeline::new(), usize::MAX >> 4);
    let (set, got, wrong) =
        join!(client.set("k", "v"), client.get::<String>("k"), client.incr("k"));
    set.unwrap();
    assert_eq!(got.unwrap().as_deref(), Some("v"), "in the order in which they were issued");
    let error = wrong.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Server, Some("INCR k")));
    assert_eq!(trips.sent(), [["SET k", "GET k", "INCR k"]]);

    client.get::<String>("k").await.unwrap();
    assert_eq!(trips.sent(), [["GET k"]], "one alone is no pipeline");

    let tasks = (0..50).map(|_| tokio::spawn(client.incr("n")));
    let mut counts: Vec<i64> =
        join_all(tasks).await.into_iter().map(|count| count.unwrap().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    assert_eq!(trips.sent().len(), 1, "tasks that are ready at the same time share too");
}

#[tokio::test]
async fn batches_have_limits() {
    let (client, trips) = watched(AutoPipeline::new().commands(10).bytes(200), usize::MAX >> 4);
    join_all((0..25).map(|n| client.get::<String>(format!("k{n}")))).await;
    assert_eq!(trips.sent().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    let long = "x".repeat(150);
    join_all((0..3).map(|_| client.echo::<String>(&long))).await;
    assert_eq!(trips.sent().iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
}

#[tokio::test]
async fn nothing_overtakes_a_write_to_its_key() {
    let (client, trips) = watched(AutoPipeline::new(), 0);
    let mut write = Box::pin(client.set("a", "1"));
    assert!(poll!(&mut write).is_pending());
    assert!(poll!(&mut write).is_pending(), "it is under way");
    assert_eq!(trips.sent(), [["SET a"]]);

    let mut read = Box::pin(client.get::<String>("a"));
    let mut other = Box::pin(client.get::<String>("b"));
    for _ in 0..3 {
        assert!(poll!(&mut read).is_pending() && poll!(&mut other).is_pending());
    }
    assert!(trips.sent().is_empty(), "their batch waits for the write");
    let mut free = Box::pin(client.get::<String>("c"));
    for _ in 0..3 {
        assert!(poll!(&mut free).is_pending());
    }
    assert_eq!(trips.sent(), [["GET c"]], "what touches other keys does not wait");

    // The reader also drives the write that it waits for: its owner need not poll it.
    trips.permits.add_permits(3);
    assert_eq!(read.await.unwrap().as_deref(), Some("1"));
    write.await.unwrap();
    free.await.unwrap();
    assert_eq!(other.await.unwrap(), None);
}

#[tokio::test]
async fn explicit_pipelines_keep_their_place() {
    let (client, _) = watched(AutoPipeline::new(), usize::MAX >> 4);
    let pipeline = client.pipeline();
    let appended = pipeline.append("k", "2");
    let transaction = client.transaction();
    let length = transaction.append("k", "4");
    let (one, two, three, four, all) = join!(
        client.append("k", "1"),
        pipeline.exec(),
        client.append("k", "3"),
        transaction.exec(),
        client.get::<String>("k"),
    );
    assert_eq!((one.unwrap(), three.unwrap()), (1, 3));
    assert_eq!(two.unwrap().take(appended).unwrap(), 2);
    assert_eq!(four.unwrap().take(length).unwrap(), 4);
    assert_eq!(all.unwrap().as_deref(), Some("1234"));
}

#[tokio::test]
async fn bytes_that_a_pipeline_cannot_hold_go_alone_and_in_order() {
    let (client, trips) = watched(AutoPipeline::new(), usize::MAX >> 4);
    let (one, two, three) = join!(
        client.append("k", "a"),
        client.append("k", vec![0xff]),
        client.getrange::<Vec<u8>>("k", 0, -1),
    );
    assert_eq!((one.unwrap(), two.unwrap(), three.unwrap()), (1, 2, vec![b'a', 0xff]));
    assert_eq!(trips.sent(), [["APPEND k"], ["APPEND k"], ["GETRANGE k"]]);
}

#[tokio::test]
async fn a_lost_batch_fails_for_all_in_it_and_nobody_else() {
    let (client, trips) = watched(AutoPipeline::new(), usize::MAX >> 4);
    *trips.lost.lock().unwrap() = true;
    let (one, two) = join!(client.incr("a"), client.incr("b"));
    let errors = [one.unwrap_err(), two.unwrap_err()];
    assert_eq!(errors.each_ref().map(Error::kind), [ErrorKind::Disconnected; 2]);
    assert_eq!(errors.each_ref().map(Error::command), [Some("INCR a"), Some("INCR b")]);
    assert_eq!(client.incr("a").await.unwrap(), 1);
}

#[tokio::test]
async fn a_command_that_cannot_be_sent_fails_alone() {
    let engine = MemoryTransport::new().with_script_options(ScriptOptions::new().run_lua(false));
    let client = Client::new(engine).layer(KeyPrefix::new("t:")).layer(AutoPipeline::new());
    let (no_native, no_keys) = (cmd("EVAL").arg("return 1").arg(0), cmd("RANDOMKEY"));
    let (set, no_native, got, no_keys, count) = join!(
        client.set("k", "v"),
        client.send(&no_native),
        client.get::<String>("k"),
        client.send(&no_keys),
        client.incr("n"),
    );
    set.unwrap();
    assert_eq!(no_native.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(got.unwrap().as_deref(), Some("v"));
    assert_eq!(no_keys.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(count.unwrap(), 1);
}

#[tokio::test]
async fn who_leaves_takes_nothing_with_him() {
    let (client, trips) = watched(AutoPipeline::new(), 0);
    let (mut one, two) = (Box::pin(client.incr("a")), tokio::spawn(client.incr("b")));
    assert!(poll!(&mut one).is_pending());
    drop(one);
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert_eq!(trips.sent(), [["INCR b"]], "what was dropped before it left is not sent");
    trips.permits.add_permits(1);
    assert_eq!(two.await.unwrap().unwrap(), 1);

    // The first caller, who polled the batch so far, goes while it is under way; the other gets his reply.
    let mut one = Box::pin(client.incr("a"));
    let two = tokio::spawn(client.incr("b"));
    assert!(poll!(&mut one).is_pending());
    tokio::task::yield_now().await;
    assert!(poll!(&mut one).is_pending());
    assert_eq!(trips.sent(), [["INCR a", "INCR b"]]);
    drop(one);
    trips.permits.add_permits(1);
    assert_eq!(two.await.unwrap().unwrap(), 2);

    // When all are gone, the round trip is given up, and nothing waits for it.
    let mut three = Box::pin(client.incr("c"));
    assert!(poll!(&mut three).is_pending());
    assert!(poll!(&mut three).is_pending());
    drop(three);
    trips.permits.add_permits(1);
    assert_eq!(client.get::<i64>("c").await.unwrap(), None);
}

#[tokio::test]
async fn a_batch_can_wait_for_more() {
    let delay = std::time::Duration::from_millis(500);
    let (client, trips) = watched(AutoPipeline::new().delay(delay), usize::MAX >> 4);
    let one = tokio::spawn(client.incr("n"));
    tokio::task::yield_now().await;
    let two = tokio::spawn(client.incr("n"));
    assert_eq!((one.await.unwrap().unwrap(), two.await.unwrap().unwrap()), (1, 2));
    assert_eq!(trips.sent(), [["INCR n", "INCR n"]]);
    assert!(client.ping().now_or_never().is_none());
}

#[tokio::test]
async fn a_push_does_not_wait_for_the_pop_that_waits_for_it() {
    let redis = RedisServer::start();
    let client = redis.client().layer(AutoPipeline::new());
    let pop = cmd("BLPOP").arg("q").arg(5);
    let (popped, pushed) = join!(client.send(&pop), client.rpush("q", ["x"]));
    pushed.unwrap();
    assert_eq!(popped.unwrap(), Value::Array(vec![Value::bulk("q"), Value::bulk("x")]));
    // What waits still comes after what was issued before it.
    let (pushed, popped) = join!(client.rpush("q", ["y"]), client.send(&pop));
    pushed.unwrap();
    assert_eq!(popped.unwrap(), Value::Array(vec![Value::bulk("q"), Value::bulk("y")]));
}
