//! How responses are stored, and what a hit costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use edgecask::Client;
use edgecask::cache::{Cache, CacheOptions, L1Options, SealingKeys};
use edgecask::prelude::*;
use edgecask_tests::RedisServer;

use super::origin::{Origin, options, response};

const LARGE: usize = 100_000;

/// Bytes that are no text.
fn binary() -> Vec<u8> {
    (0..LARGE).map(|at| (at % 251) as u8 | 0x80).collect()
}

/// The application gives 100 KB, another body for each language.
fn large(cache: Cache) -> Origin {
    Origin::over(cache, options(), |head, _| {
        let mut body = binary();
        let language =
            head.headers.get("accept-language").map_or("-", |value| value.to_str().unwrap());
        body.extend_from_slice(language.as_bytes());
        response(200, &[("cache-control", "max-age=60"), ("vary", "accept-language")], body)
    })
}

async fn keys(client: &Client) -> Vec<String> {
    let mut keys = client.keys::<String>("http:*").await.unwrap();
    keys.sort_by_key(String::len);
    keys
}

#[tokio::test]
async fn bodies_are_stored_as_they_are() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        let origin = large(Cache::new(client.clone()));
        let first = origin.get(&[]).await;
        let keys = keys(&client).await;
        assert_eq!(keys.len(), 2, "an index and a body: {keys:?}");
        let stored: Bytes = client.get(&keys[1]).await.unwrap().unwrap();
        assert!(stored == first.body);
        let index: Bytes = client.get(&keys[0]).await.unwrap().unwrap();
        assert!(index.len() < 1000, "{} bytes", index.len());
        let left = async |key: &String| match client.pttl(key).await.unwrap() {
            edgecask::command::keys::Lifetime::Expires(left) => left,
            other => panic!("{key}: {other:?}"),
        };
        assert!(left(&keys[1]).await > left(&keys[0]).await);
        let answer = large(Cache::new(client)).get(&[]).await;
        assert!(answer.hit() && answer.body == first.body);
    }
}

#[tokio::test]
async fn a_hit_costs_the_same_however_many_variants_there_are() {
    let cache = Cache::new(Client::memory());
    let origin = large(cache.clone());
    for language in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        origin.get(&[("accept-language", language)]).await;
    }
    let asked = origin.asked();
    cache.reset_stats();
    for language in ["a", "h", "a"] {
        assert!(origin.get(&[("accept-language", language)]).await.hit());
    }
    assert_eq!(origin.asked(), asked);
    let read = cache.stats().bytes_read;
    assert!(read < LARGE as u64 / 5, "{read} bytes read for three hits: the index, and no body");
    // Another process reads one body of the eight.
    let cache = Cache::new(cache.client().clone());
    assert!(large(cache.clone()).get(&[("accept-language", "a")]).await.hit());
    let read = cache.stats().bytes_read;
    assert!(read > LARGE as u64 && read < 2 * LARGE as u64, "{read} bytes read");
}

#[tokio::test]
async fn a_body_that_is_gone_or_changed_is_asked_for_again() {
    let client = Client::memory();
    for lost in [true, false] {
        let first = large(Cache::new(client.clone())).get(&[]).await;
        let body = keys(&client).await.pop().unwrap();
        match lost {
            true => drop(client.del([&body]).await.unwrap()),
            false => client.set(&body, "another").await.unwrap(),
        }
        let origin = large(Cache::new(client.clone()));
        let again = origin.get(&[]).await;
        assert_eq!((again.hit(), origin.asked()), (false, 1));
        assert!(again.body == first.body);
        assert!(large(Cache::new(client.clone())).get(&[]).await.hit());
    }
}

#[tokio::test]
async fn a_body_that_is_gone_is_asked_for_without_a_condition() {
    let client = Client::memory();
    let origin = |client: &Client| {
        Origin::over(Cache::new(client.clone()), options(), |head, _| {
            let headers = [("cache-control", "max-age=0"), ("etag", "\"v1\"")];
            match head.headers.contains_key("if-none-match") {
                true => response(304, &headers, ""),
                false => response(200, &headers, "body"),
            }
        })
    };
    origin(&client).get(&[]).await;
    let body = keys(&client).await.pop().unwrap();
    client.del([&body]).await.unwrap();
    let origin = origin(&client);
    let answer = origin.get(&[]).await;
    assert_eq!((answer.status.as_u16(), answer.text(), origin.asked()), (200, "body", 2));
}

#[tokio::test]
async fn a_sealed_cache_seals_bodies() {
    let client = Client::memory();
    let cache = || {
        let keys = SealingKeys::new("one", [1; 32]);
        Cache::with_options(client.clone(), CacheOptions::new().seal(keys))
    };
    let origin = |cache| {
        Origin::over(cache, options(), |_, _| {
            response(
                200,
                &[("cache-control", "max-age=60"), ("x-header", "s3cret")],
                "s3cret ".repeat(1000),
            )
        })
    };
    let first = origin(cache()).get(&[]).await;
    for key in keys(&client).await {
        let stored: Bytes = client.get(&key).await.unwrap().unwrap();
        assert!(!stored.windows(6).any(|bytes| bytes == b"s3cret"), "{key}");
    }
    let again = origin(cache()).get(&[]).await;
    assert!(again.hit() && again.body == first.body);
    // One that is not sealed is not believed.
    origin(Cache::new(client.clone())).send("POST", "/", &[]).await;
    origin(Cache::new(client.clone())).get(&[]).await;
    assert!(!origin(cache()).get(&[]).await.hit());
}

#[tokio::test]
async fn what_a_first_tier_holds_is_no_older_than_what_this_process_stored() {
    let cache = Cache::with_options(Client::memory(), CacheOptions::new().l1(L1Options::new()));
    let origin = Origin::over(cache, options(), |_, number| {
        response(200, &[("cache-control", "max-age=60"), ("vary", "x-a")], format!("{number}"))
    });
    for number in 1..5_usize {
        let reload = origin.get(&[("cache-control", "no-cache")]).await;
        assert_eq!(reload.text(), (2 * number - 1).to_string());
        assert_eq!(origin.get(&[]).await.text(), reload.text());
        let other = [("x-a", &*format!("{number}"))];
        assert_eq!(origin.get(&other).await.text(), (2 * number).to_string());
        assert!(origin.get(&other).await.hit());
        assert!(origin.get(&[]).await.hit());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_half() {
    use axum::body::Body;
    use axum::http::Request;
    use tower::{Layer, ServiceExt, service_fn};
    let asked = Arc::new(AtomicUsize::new(0));
    let layer = edgecask::http_cache::HttpCache::new(Cache::new(Client::memory()), options());
    let counter = Arc::clone(&asked);
    let service = layer.layer(service_fn(move |_: Request<Body>| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let frames = (0..3)
                .map(move |at| Ok::<_, std::io::Error>(Bytes::from(format!("{number}{at} "))));
            let body = futures_util::stream::iter(frames);
            let body = futures_util::StreamExt::then(body, async |frame| {
                tokio::task::yield_now().await;
                frame
            });
            let answer = response(200, &[("cache-control", "max-age=60")], Body::from_stream(body));
            Ok::<_, std::convert::Infallible>(answer)
        }
    }));
    let request = || Request::get("/").header("host", "example.org").body(Body::empty()).unwrap();
    let mut first = Body::new(service.clone().oneshot(request()).await.unwrap().into_body());
    let frame = std::future::poll_fn(|context| {
        axum::body::HttpBody::poll_frame(std::pin::Pin::new(&mut first), context)
    });
    assert!(frame.await.is_some());
    drop(first);
    for _ in 0..2 {
        let answer = service.clone().oneshot(request()).await.unwrap();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), 100).await.unwrap();
        assert_eq!(body, "10 11 12 ");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_application_that_is_slower_than_the_lease_is_cached() {
    let redis = RedisServer::start();
    let lease = std::time::Duration::from_millis(200);
    let cache = Cache::with_options(redis.client(), CacheOptions::new().lease(lease));
    let layer = edgecask::http_cache::HttpCache::new(cache, options());
    let answer = async || {
        let service =
            tower::service_fn(move |_: axum::http::Request<axum::body::Body>| async move {
                // The lease would end in this time, were it not renewed.
                tokio::time::sleep(lease * 3).await;
                let response =
                    axum::http::Response::builder().header("cache-control", "max-age=60");
                Ok::<_, std::convert::Infallible>(
                    response.body(axum::body::Body::from("slow")).unwrap(),
                )
            });
        let request = axum::http::Request::builder().uri("/").header("host", "example.org");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let service = tower::Layer::layer(&layer, service);
        let response = tower::ServiceExt::oneshot(service, request).await.unwrap();
        response.headers()["cache-status"].to_str().unwrap().to_owned()
    };
    let first = answer().await;
    assert!(first.contains("stored"), "{first}");
    let second = answer().await;
    assert!(second.contains("hit"), "{second}");
}
