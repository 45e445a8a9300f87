//! Bodies that need not be fetched from far away, and need not be copied.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use bytes::Bytes;
use edgecask::cache::{Cache, CacheOptions, EdgeStore, L1Options};
use edgecask::http_cache::{HttpCache, HttpCacheBody};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::Results;
use edgecask::{Client, Result};
use edgecask_tests::{Count, Tap, Tapped, Trip, until};
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt, service_fn};

use super::origin::{options, response};
use crate::edge::Shelf;

const LARGE: usize = 100_000;

/// Asks for 100 KB, which the application gives in one frame. Gives the status of the cache and the frames of the body.
async fn read(layer: &HttpCache, path: &str) -> (String, Vec<Bytes>) {
    let service = layer.layer(service_fn(async |_: Request<Body>| {
        let headers = [("cache-control", "max-age=60")];
        Ok::<_, Infallible>(response(200, &headers, vec![0xfe; LARGE]))
    }));
    let request = Request::get(path).header("host", "example.org").body(Body::empty()).unwrap();
    let answer: Response<HttpCacheBody<Body>> = service.oneshot(request).await.unwrap();
    let how = answer.headers()["cache-status"].to_str().unwrap().to_owned();
    let (mut body, mut frames) = (std::pin::pin!(answer.into_body()), Vec::new());
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        frames.push(frame.unwrap().into_data().unwrap());
    }
    (how, frames)
}

/// The only frame of a hit.
async fn hit(layer: &HttpCache) -> Bytes {
    let (how, mut frames) = read(layer, "/").await;
    assert!(how.contains("hit") && frames.len() == 1, "{how}, {} frames", frames.len());
    frames.remove(0)
}

#[tokio::test]
async fn a_hit_copies_no_body() {
    for tiers in [CacheOptions::new(), CacheOptions::new().l1(L1Options::new())] {
        let cache = Cache::with_options(Client::memory(), tiers);
        let layer = HttpCache::new(cache.clone(), options());
        read(&layer, "/").await;
        let first = hit(&layer).await;
        assert!(first.len() == LARGE && first.as_ptr() == hit(&layer).await.as_ptr());
        // Nor does the first hit of a process: the bytes in its memory are those that came.
        let layer = HttpCache::new(cache, options());
        assert_eq!(hit(&layer).await.as_ptr(), hit(&layer).await.as_ptr());
    }
}

#[tokio::test]
async fn a_hit_of_the_first_tier_asks_nobody() {
    let count = Count::default();
    let cache_options = CacheOptions::new().l1(L1Options::new());
    let cache = Cache::with_options(count.of(Client::memory()), cache_options);
    let layer = HttpCache::new(cache.clone(), options());
    read(&layer, "/").await;
    hit(&layer).await;
    assert!(count.taken() > 0);
    cache.reset_stats();
    for _ in 0..3 {
        hit(&layer).await;
    }
    assert_eq!((count.taken(), cache.stats().hits), (0, 3));
    // A process without the body asks for that alone, and counts one hit.
    hit(&HttpCache::new(cache.clone(), options())).await;
    assert_eq!((count.taken(), cache.stats().hits), (1, 4));
}

#[tokio::test]
async fn the_store_at_the_edge_holds_bodies_as_they_are() {
    let (client, shelf) = (Client::memory(), Shelf::new());
    let process = || {
        let edge = CacheOptions::new().edge(shelf.clone(), Duration::from_secs(60));
        let cache = Cache::with_options(client.clone(), edge);
        (HttpCache::new(cache.clone(), options()), cache)
    };
    read(&process().0, "/").await;
    let mut keys = client.keys::<String>("http:*").await.unwrap();
    keys.sort_by_key(String::len);
    let key = keys.pop().unwrap();
    assert_eq!(client.get::<Bytes>(&key).await.unwrap().unwrap().len(), LARGE);
    // The first process that reads it brings it there.
    let body = hit(&process().0).await;
    until(async || shelf.stored(&key).is_some()).await;
    let held = shelf.stored(&key).unwrap();
    assert!(held == body);
    // The others have it from there, without a copy.
    let (layer, cache) = process();
    assert_eq!(hit(&layer).await.as_ptr(), held.as_ptr());
    let read_bytes = cache.stats().bytes_read;
    assert!(read_bytes < LARGE as u64 / 5, "{read_bytes} bytes read: the index, and no body");
    // What does not match its hash is read from Redis.
    for other in [Bytes::from_static(b"another"), Bytes::new()] {
        shelf.put(&key, other, Duration::from_secs(60)).await.unwrap();
        assert!(hit(&process().0).await == body);
    }
}

/// Holds up each SET until it is let, and counts how many are under way.
#[derive(Debug, Clone)]
struct Writes {
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

impl Tap for Writes {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            if !trip.commands.iter().any(|command| command.name() == "SET") {
                return trip.go().await;
            }
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.gate.acquire().await.expect("it is never closed").forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            trip.go().await
        })
    }
}

#[tokio::test]
async fn few_large_bodies_are_copied_at_the_same_time() {
    const MANY: usize = 20;
    let gate = Arc::new(Semaphore::new(0));
    let writes = Writes { under_way: Arc::default(), most: Arc::default(), gate };
    let client = Client::memory().layer(Tapped(writes.clone()));
    let layer = HttpCache::new(Cache::new(client), options());
    let paths: Vec<String> = (0..MANY).map(|number| format!("/{number}")).collect();
    let reads = join_all(paths.iter().map(|path| read(&layer, path)));
    let let_go = async {
        for number in 0..MANY {
            // Those that are not held up come as far as they can.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let expected = (MANY - number).min(4);
            until(async || writes.under_way.load(Ordering::SeqCst) == expected).await;
            writes.gate.add_permits(1);
            until(async || writes.gate.available_permits() == 0).await;
        }
    };
    let (answers, ()) = tokio::join!(reads, let_go);
    for (how, frames) in answers {
        assert!(how.ends_with("; stored"), "{how}");
        assert_eq!(frames.iter().map(Bytes::len).sum::<usize>(), LARGE);
    }
    assert_eq!(writes.most.load(Ordering::SeqCst), 4);
    assert!(read(&layer, "/7").await.0.contains("hit"));
}
