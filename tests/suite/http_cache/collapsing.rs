//! Many requests for the same at the same time, in one process.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use edgecask::Client;
use edgecask::cache::Cache;
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask_tests::until;
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt, service_fn};

use super::conformance::Clock;
use super::origin::{options, response};

pub(super) const MANY: usize = 200;

/// An application that answers when it is let.
#[derive(Clone)]
pub(super) struct Slow {
    pub(super) path: &'static str,
    control: &'static str,
    pub(super) vary: Option<&'static str>,
    status: u16,
    asked: Arc<AtomicUsize>,
    pub(super) gate: Arc<Semaphore>,
}

impl Slow {
    pub(super) fn new(control: &'static str) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        Self { path: "/", control, vary: None, status: 200, asked: Arc::default(), gate }
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until so many requests are there.
    pub(super) async fn has_been_asked(&self, times: usize) {
        until(async || self.asked() >= times).await;
    }

    pub(super) async fn get(
        &self,
        layer: &HttpCache,
        headers: &[(&str, &str)],
    ) -> (String, String) {
        let app = self.clone();
        let service = layer.layer(service_fn(move |_: Request<Body>| {
            let app = app.clone();
            async move {
                let number = app.asked.fetch_add(1, Ordering::SeqCst) + 1;
                app.gate.acquire().await.unwrap().forget();
                let mut headers = vec![("cache-control", app.control)];
                headers.extend(app.vary.map(|names| ("vary", names)));
                let body = if app.status == 304 { String::new() } else { format!("{number}") };
                Ok::<_, Infallible>(response(app.status, &headers, body))
            }
        }));
        let mut request = Request::get(self.path).header("host", "example.org");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer: Response<_> =
            service.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let how = answer.headers()["cache-status"].to_str().unwrap().to_owned();
        let body = to_bytes(Body::new(answer.into_body()), usize::MAX).await.unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), how)
    }

    pub(super) fn start(&self, layer: &HttpCache) -> tokio::task::JoinHandle<(String, String)> {
        self.start_with(layer, &[])
    }

    pub(super) fn start_with(
        &self,
        layer: &HttpCache,
        headers: &[(&'static str, &'static str)],
    ) -> tokio::task::JoinHandle<(String, String)> {
        let (app, layer, headers) = (self.clone(), layer.clone(), headers.to_vec());
        tokio::spawn(async move { app.get(&layer, &headers).await })
    }

    /// All who ask wait for the request of this number, and get its answer.
    pub(super) async fn one_request_answers(
        &self,
        number: usize,
        asking: Vec<tokio::task::JoinHandle<(String, String)>>,
    ) {
        self.has_been_asked(number).await;
        self.gate.add_permits(MANY);
        for answer in asking {
            assert_eq!(answer.await.unwrap().0, number.to_string());
        }
        assert_eq!(self.asked(), number);
    }
}

fn layer(options: HttpCacheOptions) -> HttpCache {
    HttpCache::new(Cache::new(Client::memory()), options.collapse_wait(Duration::from_secs(60)))
}

#[tokio::test]
async fn of_many_misses_one_goes() {
    let (app, layer) = (Slow::new("max-age=60"), layer(options()));
    let asking: Vec<_> = (0..MANY).map(|_| app.start(&layer)).collect();
    app.one_request_answers(1, asking).await;
}

#[tokio::test]
async fn of_many_who_find_it_stale_one_goes() {
    let clock = Clock::new();
    let (app, layer) = (Slow::new("max-age=60"), layer(clock.on(options())));
    app.gate.add_permits(1);
    assert_eq!(app.get(&layer, &[]).await.0, "1");
    clock.advance(100);
    let asking: Vec<_> = (0..MANY).map(|_| app.start(&layer)).collect();
    app.one_request_answers(2, asking).await;
}

#[tokio::test]
async fn nobody_waits_for_what_is_not_for_others() {
    for control in ["private, max-age=60", "no-store", "no-cache", "max-age=0"] {
        let (app, layer) = (Slow::new(control), layer(options()));
        let asking: Vec<_> = (0..10).map(|_| app.start(&layer)).collect();
        app.has_been_asked(1).await;
        app.gate.add_permits(1);
        // All of the others are there at once, though none of them has an answer.
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, app.has_been_asked(10)).await.expect(control);
        app.gate.add_permits(MANY);
        let mut bodies = Vec::new();
        for answer in asking {
            bodies.push(answer.await.unwrap().0);
        }
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), 10, "{control}: each has its own");
        // It is remembered: nobody waits for the next one either.
        app.gate.forget_permits(usize::MAX);
        let asking: Vec<_> = (0..5).map(|_| app.start(&layer)).collect();
        tokio::time::timeout(limit, app.has_been_asked(15)).await.expect(control);
        app.gate.add_permits(MANY);
        for answer in asking {
            answer.await.unwrap();
        }
    }
}

#[tokio::test]
async fn who_waits_does_not_wait_for_ever() {
    let layer = HttpCache::new(
        Cache::new(Client::memory()),
        options().collapse_wait(Duration::from_millis(50)),
    );
    let app = Slow::new("max-age=60");
    let asking = [app.start(&layer), app.start(&layer)];
    // The first one hangs: the second one goes too.
    tokio::time::timeout(Duration::from_secs(30), app.has_been_asked(2)).await.unwrap();
    app.gate.add_permits(2);
    for answer in asking {
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn who_has_waited_gets_what_is_stale_where_an_error_would_allow_it() {
    let clock = Clock::new();
    let waits = options().collapse_wait(Duration::from_millis(50));
    let layer = HttpCache::new(Cache::new(Client::memory()), clock.on(waits));
    let app = Slow::new("max-age=60, stale-if-error=1000");
    app.gate.add_permits(1);
    assert_eq!(app.get(&layer, &[]).await.0, "1");
    clock.advance(100);
    let hangs = app.start(&layer);
    app.has_been_asked(2).await;
    let (body, how) = app.get(&layer, &[]).await;
    assert_eq!((&*body, &*how), ("1", "edgecask; hit; ttl=-40; detail=collapsed"));
    app.gate.add_permits(1);
    assert_eq!((&*hangs.await.unwrap().0, app.asked()), ("2", 2));
}

#[tokio::test]
async fn who_has_waited_and_wants_it_fresher_asks_for_it() {
    // The stored response is 50 seconds old, and fresh for 50 more.
    for control in ["max-age=5", "min-fresh=80"] {
        let clock = Clock::new();
        let waits = options().collapse_wait(Duration::from_millis(50));
        let layer = HttpCache::new(Cache::new(Client::memory()), clock.on(waits));
        let app = Slow::new("max-age=100, stale-if-error=1000");
        app.gate.add_permits(1);
        assert_eq!(app.get(&layer, &[]).await.0, "1");
        clock.advance(50);
        let asking = [(); 2].map(|()| app.start_with(&layer, &[("cache-control", control)]));
        // The one that waits for the other is served nothing: it goes too.
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, app.has_been_asked(3)).await.expect(control);
        app.gate.add_permits(2);
        for answer in asking {
            assert_ne!(answer.await.unwrap().0, "1", "{control}");
        }
    }
}

#[tokio::test]
async fn who_gives_up_makes_room_for_the_next() {
    let (app, layer) = (Slow::new("max-age=60"), layer(options()));
    let first = app.start(&layer);
    app.has_been_asked(1).await;
    let second = app.start(&layer);
    first.abort();
    tokio::time::timeout(Duration::from_secs(30), app.has_been_asked(2)).await.unwrap();
    app.gate.add_permits(2);
    assert_eq!(second.await.unwrap().0, "2");
}

#[tokio::test]
async fn requests_with_a_condition_do_not_queue_for_304s() {
    let clock = Clock::new();
    let mut app = Slow::new("max-age=60");
    app.status = 304;
    let layer = layer(clock.on(options()));
    let tag = [("if-none-match", "\"v1\"")];
    let asking: Vec<_> = (0..10).map(|_| app.start_with(&layer, &tag)).collect();
    app.has_been_asked(1).await;
    app.gate.add_permits(1);
    // A 304 is stored nowhere, so the others go at once.
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, app.has_been_asked(10)).await.expect("they do not queue");
    app.gate.add_permits(MANY);
    for answer in asking {
        answer.await.unwrap();
    }
}

#[tokio::test]
async fn a_variant_from_before_a_write_is_not_stored() {
    for by_pattern in [false, true] {
        let mut app = Slow::new("max-age=60");
        app.vary = Some("x-a");
        let cache = Cache::new(Client::memory());
        let layer = HttpCache::new(cache.clone(), options());
        app.gate.add_permits(1);
        app.get(&layer, &[("x-a", "0")]).await;
        let under_way = app.start_with(&layer, &[("x-a", "1")]);
        app.has_been_asked(2).await;
        match by_pattern {
            // It names the index alone, of all users.
            true => {
                let pattern = edgecask::Pattern::verbatim("http:*:example.org:/").unwrap();
                assert_eq!(cache.delete_matching(&pattern).await.unwrap().count(), 1);
            }
            false => {
                let service = layer.layer(service_fn(async |_: Request<Body>| {
                    Ok::<_, Infallible>(response(204, &[], ""))
                }));
                let write = Request::post("/").header("host", "example.org").body(Body::empty());
                service.oneshot(write.unwrap()).await.unwrap();
            }
        }
        app.gate.add_permits(MANY);
        assert_eq!(under_way.await.unwrap().0, "2");
        let (body, how) = app.get(&layer, &[("x-a", "1")]).await;
        assert_eq!(body, "3", "by pattern {by_pattern}: {how}");
    }
}
