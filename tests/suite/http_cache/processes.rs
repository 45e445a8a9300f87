//! Many requests for the same at the same time, in several processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use edgecask::cache::Cache;
use edgecask::http_cache::HttpCache;
use edgecask::platform::BoxFuture;
use edgecask::transport::Results;
use edgecask::{Client, Result};
use edgecask_tests::{RedisServer, Tap, Tapped, Trip, until};
use tokio::sync::Semaphore;

use super::collapsing::{MANY, Slow};
use super::origin::options;

/// A process: it waits for others as long as it takes.
fn process(client: Client) -> HttpCache {
    HttpCache::new(Cache::new(client), options().collapse_wait(Duration::from_secs(60)))
}

#[tokio::test]
async fn of_many_processes_one_goes() {
    let redis = RedisServer::start();
    let app = Slow::new("max-age=60");
    let layers: Vec<_> = (0..4).map(|_| process(redis.client())).collect();
    let asking: Vec<_> = layers.iter().chain(&layers).map(|layer| app.start(layer)).collect();
    app.one_request_answers(1, asking).await;
}

#[tokio::test]
async fn variants_of_a_url_do_not_wait_for_each_other() {
    let redis = RedisServer::start();
    let mut app = Slow::new("max-age=60");
    app.vary = Some("x-a");
    let layers = [process(redis.client()), process(redis.client())];
    // From the first response on, `Vary` is known.
    app.gate.add_permits(1);
    app.get(&layers[0], &[("x-a", "0")]).await;
    let variants: [&[(&str, &str)]; 4] = [
        &[("x-a", "1")],
        &[("x-a", "2")],
        &[("x-a", "3")],
        &[("x-a", "4"), ("cache-control", "no-cache")],
    ];
    let mut asking = Vec::new();
    for (at, headers) in variants.into_iter().enumerate() {
        asking.push(app.start_with(&layers[at % 2], headers));
        let limit = Duration::from_secs(20);
        let asked = app.has_been_asked(at + 2);
        tokio::time::timeout(limit, asked).await.expect("it does not wait for another variant");
    }
    app.gate.add_permits(MANY);
    let mut bodies = vec!["1".to_owned()];
    for answer in asking {
        bodies.push(answer.await.unwrap().0);
    }
    // Each of them is stored, and found by both processes.
    for layer in &layers {
        for (number, body) in ["0", "1", "2", "3", "4"].into_iter().zip(&bodies) {
            let (found, how) = app.get(layer, &[("x-a", number)]).await;
            assert_eq!((&found, how.contains("hit")), (body, true), "{number}: {how}");
        }
    }
    assert_eq!(app.asked(), 5);
}

/// Holds up each request for a lease until it is let.
#[derive(Debug, Clone)]
struct HeldUp {
    /// How many have come.
    come: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl HeldUp {
    fn new() -> Self {
        Self { come: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }

    async fn has_come(&self, times: usize) {
        until(async || self.come.load(Ordering::SeqCst) >= times).await;
    }
}

impl Tap for HeldUp {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let asks = |argument: &[u8]| argument == b"try" || argument == b"look";
            let mut arguments = trip.commands.iter().flat_map(|command| command.args());
            // An EVAL repeats an EVALSHA that the server did not know.
            let repeats = trip.commands.iter().any(|command| command.name() == "EVAL");
            if !repeats && arguments.any(asks) {
                self.come.fetch_add(1, Ordering::SeqCst);
                self.gate.acquire().await.expect("it is never closed").forget();
            }
            trip.go().await
        })
    }
}

/// Another process stores the response and gives its right up between this one's lookup and its request for the right: the
/// first one, or the one after a wait.
#[tokio::test]
async fn what_was_stored_before_the_right_was_taken_is_served() {
    let redis = RedisServer::start();
    for (at, (waits, varies)) in
        [(false, false), (true, false), (false, true), (true, true)].into_iter().enumerate()
    {
        let what = format!("after a wait: {waits}, with Vary: {varies}");
        let mut app = Slow::new("max-age=60");
        app.path = ["/0", "/1", "/2", "/3"][at];
        app.vary = varies.then_some("x-a");
        let first = process(redis.client());
        if varies {
            app.gate.add_permits(1);
            app.get(&first, &[("x-a", "0")]).await;
        }
        let asked = app.asked();
        let headers = [("x-a", "1")];
        let held_up = HeldUp::new();
        let second = process(redis.client().layer(Tapped(held_up.clone())));
        let storing = waits.then(|| app.start_with(&first, &headers));
        if waits {
            app.has_been_asked(asked + 1).await;
        }
        let late = app.start_with(&second, &headers);
        held_up.has_come(1).await;
        if waits {
            held_up.gate.add_permits(1);
            held_up.has_come(2).await;
        }
        app.gate.add_permits(1);
        let stored = match storing {
            Some(storing) => storing.await.unwrap(),
            None => app.get(&first, &headers).await,
        };
        assert!(stored.1.ends_with("; stored"), "{what}: {}", stored.1);
        held_up.gate.add_permits(MANY);
        app.gate.add_permits(1);
        let (body, how) = late.await.unwrap();
        assert_eq!((&body, app.asked()), (&stored.0, asked + 1), "{what}: {how}");
        assert!(how.starts_with("edgecask; hit"), "{what}: {how}");
        app.gate.forget_permits(1);
        // The right was given back: the next one need not wait for its end.
        let again = app.start_with(&first, &[("x-a", "1"), ("cache-control", "no-cache")]);
        app.has_been_asked(asked + 2).await;
        app.gate.add_permits(1);
        assert!(again.await.unwrap().1.ends_with("; stored"), "{what}");
    }
}
