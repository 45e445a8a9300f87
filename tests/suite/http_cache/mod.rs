//! HTTP responses through the cache, before a real axum application.

mod cdn;
mod collapsing;
mod conformance;
mod histories;
mod origin;
mod storage;
mod wrong_answers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::routing::get;
use edgecask::cache::{Cache, CacheOptions, Tier};
use edgecask::http_cache::{HttpCache, HttpCacheBody, HttpCacheOptions};
use edgecask::prelude::*;
use edgecask::{Client, Keyspace};
use edgecask_tests::{RedisServer, until};
use tower::{Layer, ServiceExt};

const MINUTE: Duration = Duration::from_secs(60);

/// An application that counts how often it is asked.
#[derive(Clone, Default)]
struct App {
    asked: Arc<AtomicU64>,
    status: Arc<AtomicU16>,
}

impl App {
    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn answers_with(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Ordering::SeqCst);
    }
}

/// `/{cache-control}/…` answers with that `Cache-Control`; `-` with none.
async fn read(
    State(app): State<App>,
    Path((control, rest)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response<Body> {
    let count = app.asked.fetch_add(1, Ordering::SeqCst) + 1;
    let mut response = Response::builder();
    if let Ok(status) = StatusCode::from_u16(app.status.load(Ordering::SeqCst)) {
        response = response.status(status);
    }
    if control != "-" {
        response = response.header(header::CACHE_CONTROL, control);
    }
    let language = headers.get("accept-language").and_then(|value| value.to_str().ok());
    response = match rest.as_str() {
        "vary" => response.header(header::VARY, "accept-language"),
        "vary-all" => response.header(header::VARY, "*"),
        "cookie" => response.header(header::SET_COOKIE, "session=1"),
        "tagged" | "signed-in" => {
            let known = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"v1\"");
            response = response.header(header::ETAG, "\"v1\"");
            if known && rest == "signed-in" {
                response = response
                    .header(header::SET_COOKIE, format!("session={count}"))
                    .header(header::SET_COOKIE, "seen=1");
            }
            if known {
                return response.status(StatusCode::NOT_MODIFIED).body(Body::empty()).unwrap();
            }
            response
        }
        _ => response,
    };
    let body = match rest.as_str() {
        "large" => Body::from(vec![b'x'; 100_000]),
        "binary" => Body::from(vec![0xff, 0x00, count as u8]),
        _ => Body::from(format!("{count} {}", language.unwrap_or("-"))),
    };
    response.body(body).unwrap()
}

async fn write(State(app): State<App>) -> StatusCode {
    StatusCode::from_u16(app.status.load(Ordering::SeqCst)).unwrap_or(StatusCode::NO_CONTENT)
}

fn space() -> Keyspace {
    Keyspace::new(["http"]).unwrap()
}

fn options() -> HttpCacheOptions {
    HttpCacheOptions::new(space())
        .max_body(50_000)
        .user(|request| Some(request.headers.get("x-user")?.to_str().ok()?.to_owned()))
}

/// A client of the application with the cache before it.
#[derive(Clone)]
struct Browser {
    app: App,
    layer: HttpCache,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn hit(&self) -> bool {
        self.header("cache-status").starts_with("edgecask; hit")
    }
}

impl Browser {
    fn new(client: Client, options: HttpCacheOptions) -> Self {
        Self::over(Cache::new(client), options)
    }

    fn over(cache: Cache, options: HttpCacheOptions) -> Self {
        Self { app: App::default(), layer: HttpCache::new(cache, options) }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let router = Router::new().route("/{control}/{rest}", get(read).post(write).delete(write));
        let service = self.layer.layer(router.with_state(self.app.clone()));
        let mut request = Request::builder().method(method).uri(path).header("host", "example.org");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response: Response<HttpCacheBody<Body>> = service.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.unwrap().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }
}

#[tokio::test]
async fn what_may_be_cached_is_and_what_must_not_is_not() {
    let browser = Browser::new(Client::memory(), options());
    for (path, hit) in [
        ("/max-age=60/a", true),
        ("/s-maxage=60/a", true),
        ("/public,max-age=60/binary", true),
        ("/max-age=60/a?page=2", true),
        ("/-/a", false),
        ("/no-store/a", false),
        ("/private,max-age=60/a", false),
        ("/no-cache/a", false),
        ("/max-age=0/a", false),
        ("/max-age=60/cookie", false),
        ("/max-age=60/vary-all", false),
        ("/max-age=60/large", false),
    ] {
        let first = browser.get(path).await;
        assert!(!first.hit(), "{path}");
        let second = browser.get(path).await;
        assert_eq!(second.hit(), hit, "{path}: {}", second.header("cache-status"));
        assert_eq!(second.body == first.body && !path.ends_with("large"), hit, "{path}");
        assert_eq!(second.headers.contains_key("age"), hit, "{path}");
    }
    assert_eq!(browser.get("/max-age=60/large").await.body.len(), 100_000);
    // A part of what is stored is at hand; a part of another response, and what asks with credentials, is for the application.
    let asked = browser.app.asked();
    let part = browser.send("GET", "/max-age=60/a", &[("range", "bytes=1-1")]).await;
    assert_eq!((part.status, part.text()), (StatusCode::PARTIAL_CONTENT, " "));
    browser.send("GET", "/max-age=61/b", &[("range", "bytes=0-1")]).await;
    browser.send("GET", "/max-age=61/a", &[("authorization", "Bearer s3cret")]).await;
    browser.send("GET", "/max-age=61/a", &[("authorization", "Bearer s3cret")]).await;
    assert_eq!(browser.app.asked(), asked + 3);
    // A client may insist.
    let answer = browser.send("GET", "/max-age=60/a", &[("cache-control", "no-cache")]).await;
    assert!(!answer.hit());
}

#[tokio::test]
async fn a_cookie_that_comes_with_304_is_for_who_asked() {
    let client = Client::memory();
    let browser = Browser::new(client.clone(), options());
    let cookies = |answer: &Answer| -> Vec<String> {
        let all = answer.headers.get_all(header::SET_COOKIE).iter();
        all.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
    };
    let path = "/max-age=60/signed-in";
    let first = browser.get(path).await;
    assert_eq!((first.text(), cookies(&first).len()), ("1 -", 0));
    for session in ["session=2", "session=3"] {
        let again = browser.send("GET", path, &[("cache-control", "no-cache")]).await;
        assert_eq!((again.status, again.text()), (StatusCode::OK, "1 -"));
        assert_eq!(cookies(&again), [session, "seen=1"]);
        let other = browser.get(path).await;
        assert!(other.hit() && cookies(&other).is_empty());
    }
    // The client that has the body is told so, and gets its cookie all the same.
    let has = [("cache-control", "no-cache"), ("if-none-match", "\"v1\"")];
    let again = browser.send("GET", path, &has).await;
    assert_eq!((again.status, cookies(&again).len()), (StatusCode::NOT_MODIFIED, 2));
    for key in client.keys::<String>("*").await.unwrap() {
        let stored: Option<String> = client.get(&key).await.unwrap();
        assert!(!stored.unwrap_or_default().contains("session="), "{key}");
    }
}

#[tokio::test]
async fn silence_is_given_a_time_to_live() {
    let browser = Browser::new(Client::memory(), options().ttl(MINUTE));
    let first = browser.get("/-/a").await;
    assert_eq!(first.header("cache-control"), "max-age=60");
    assert!(browser.get("/-/a").await.hit());
    assert!(!browser.get("/no-store/a").await.hit());
    for _ in 0..2 {
        let session = browser.send("GET", "/-/session", &[("cookie", "session=1")]).await;
        assert!(!session.hit() && session.header("cache-control").is_empty());
    }
    browser.app.answers_with(StatusCode::INTERNAL_SERVER_ERROR);
    browser.get("/-/failing").await;
    assert!(!browser.get("/-/failing").await.hit());
}

#[tokio::test]
async fn users_have_copies_of_their_own() {
    let client = Client::memory();
    let browser = Browser::new(client.clone(), options());
    let as_user = async |user: &str| {
        let headers = [("x-user", user), ("authorization", "Bearer s3cret"), ("cookie", "s3cret")];
        browser.send("GET", "/private,max-age=60/me", &headers).await
    };
    let (ada, grace) = (as_user("ada").await, as_user("grace").await);
    assert_ne!(ada.body, grace.body);
    assert_eq!(as_user("ada").await.body, ada.body);
    assert!(as_user("grace").await.hit());
    assert!(!browser.get("/private,max-age=60/me").await.hit());
    // A name cannot reach another's copies, nor those of nobody.
    browser.get("/max-age=60/me").await;
    let odd = browser.send("GET", "/max-age=60/me", &[("x-user", "-")]).await;
    assert!(!odd.hit());
    for key in client.keys::<String>("http:*").await.unwrap() {
        let stored: String = client.get(&key).await.unwrap().unwrap();
        assert!(!stored.contains("s3cret"), "{key} holds a secret");
    }
}

#[tokio::test]
async fn variants_are_kept_apart() {
    let browser = Browser::new(Client::memory(), options());
    let in_language = async |language: &str| {
        browser.send("GET", "/max-age=60/vary", &[("accept-language", language)]).await
    };
    let (german, french) = (in_language("de").await, in_language("fr").await);
    assert!(german.text().ends_with("de") && french.text().ends_with("fr"));
    for (language, first) in [("de", german), ("fr", french)] {
        let again = in_language(language).await;
        assert!(again.hit() && again.body == first.body);
    }
    for number in 0..20 {
        in_language(&format!("x{number}")).await;
    }
    assert!(!in_language("de").await.hit(), "no more than eight are kept");
}

#[tokio::test]
async fn conditions_are_answered() {
    let browser = Browser::new(Client::memory(), options());
    let first = browser.get("/max-age=60/a").await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with('"'));
    for condition in [tag.as_str(), "*", &format!("\"other\", W/{tag}")] {
        let answer = browser.send("GET", "/max-age=60/a", &[("if-none-match", condition)]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(answer.header("etag"), tag);
    }
    let other = browser.send("GET", "/max-age=60/a", &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status, &other.body), (StatusCode::OK, &first.body));
    let head = browser.send("HEAD", "/max-age=60/a", &[]).await;
    assert!(head.hit() && head.body.is_empty());
    assert_eq!(head.header("content-length"), first.body.len().to_string());
    assert_eq!(browser.app.asked(), 1);

    // What is stale is asked about by its tag, and kept if the application says that it is still right.
    let first = browser.get("/no-cache/tagged").await;
    let again = browser.get("/no-cache/tagged").await;
    assert_eq!(again.header("cache-status"), "edgecask; fwd=stale; fwd-status=304");
    assert_eq!((again.status, &again.body), (StatusCode::OK, &first.body));
    assert_eq!(browser.app.asked(), 3);
}

#[tokio::test]
async fn a_write_invalidates() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        let options = options()
            .tags(|request| {
                vec![format!("control:{}", request.uri.path().split('/').nth(1).unwrap_or(""))]
            })
            .invalidate_tags(|request| {
                request
                    .headers
                    .get("x-tag")
                    .map(|tag| tag.to_str().unwrap_or("").to_owned())
                    .into_iter()
                    .collect()
            })
            .invalidate_matching(|request| {
                let user = request.headers.get("x-clear").and_then(|user| user.to_str().ok());
                user.and_then(|user| Some(space().join([user]).ok()?.pattern()))
                    .into_iter()
                    .collect()
            });
        let browser = Browser::new(client, options);
        let user = [("x-user", "ada")];
        let fill = async || {
            browser.get("/max-age=60/a").await;
            browser.get("/max-age=60/b").await;
            browser.send("GET", "/max-age=60/a", &user).await;
        };
        let hits = async || {
            [
                browser.get("/max-age=60/a").await.hit(),
                browser.get("/max-age=60/b").await.hit(),
                browser.send("GET", "/max-age=60/a", &user).await.hit(),
            ]
        };
        fill().await;
        assert_eq!(hits().await, [true; 3]);
        browser.send("POST", "/max-age=60/a", &[]).await;
        assert_eq!(hits().await, [false, true, false], "its own URL, for all users");
        browser.send("POST", "/x/y", &[("x-tag", "control:max-age=60")]).await;
        assert_eq!(hits().await, [false; 3], "a tag");
        browser.send("DELETE", "/x/y", &[("x-clear", "ada")]).await;
        assert_eq!(hits().await, [true, true, false], "a pattern");
        browser.app.answers_with(StatusCode::CONFLICT);
        browser.send("POST", "/max-age=60/a", &[]).await;
        assert_eq!(hits().await, [true; 3], "a write that failed");
    }
}

#[tokio::test]
async fn stale_responses_help() {
    let browser = Browser::new(Client::memory(), options());
    let path = "/max-age=0,stale-while-revalidate=60/a";
    let first = browser.get(path).await;
    let stale = browser.get(path).await;
    assert!(stale.hit() && stale.header("cache-status").ends_with("; detail=stale"));
    assert_eq!(stale.body, first.body);
    until(async || browser.get(path).await.body != first.body).await;
}

#[tokio::test]
async fn a_failing_application_is_hidden_for_a_while() {
    let browser = Browser::new(Client::memory(), options().stale_if_error(MINUTE));
    // Stale from the start, and kept because it can be validated.
    let first = browser.get("/no-transform,max-age=0/tagged").await;
    browser.app.answers_with(StatusCode::SERVICE_UNAVAILABLE);
    let answer = browser
        .send("GET", "/no-transform,max-age=0/tagged", &[("cache-control", "no-cache")])
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, first.body);
}

#[tokio::test]
async fn the_application_answers_while_redis_is_away() {
    for tier in [Tier::Important, Tier::Critical] {
        let redis = RedisServer::start();
        let cache = Cache::with_options(redis.client(), CacheOptions::new().tier(tier));
        let browser = Browser::over(cache, options());
        assert!(!browser.get("/max-age=60/a").await.hit());
        drop(redis);
        assert_eq!(browser.get("/max-age=60/a").await.status, StatusCode::OK);
        assert_eq!(browser.send("POST", "/max-age=60/a", &[]).await.status, StatusCode::NO_CONTENT);
    }
}
