//! A real axum application with the cache before it, and a client of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::routing::get;
use edgecask::cache::Cache;
use edgecask::http_cache::{HttpCache, HttpCacheBody, HttpCacheOptions};
use edgecask::{Client, Keyspace};
use tower::{Layer, ServiceExt};

/// An application that counts how often it is asked.
#[derive(Clone, Default)]
pub(super) struct App {
    asked: Arc<AtomicU64>,
    status: Arc<AtomicU16>,
}

impl App {
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn answers_with(&self, status: StatusCode) {
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

pub(super) fn space() -> Keyspace {
    Keyspace::new(["http"]).unwrap()
}

pub(super) fn options() -> HttpCacheOptions {
    HttpCacheOptions::new(space())
        .max_body(50_000)
        .user(|request| Some(request.headers.get("x-user")?.to_str().ok()?.to_owned()))
}

/// A client of the application with the cache before it.
#[derive(Clone)]
pub(super) struct Browser {
    pub(super) app: App,
    layer: HttpCache,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn hit(&self) -> bool {
        self.header("cache-status").starts_with("edgecask; hit")
    }
}

impl Browser {
    pub(super) fn new(client: Client, options: HttpCacheOptions) -> Self {
        Self::over(Cache::new(client), options)
    }

    pub(super) fn over(cache: Cache, options: HttpCacheOptions) -> Self {
        Self { app: App::default(), layer: HttpCache::new(cache, options) }
    }

    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
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

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[]).await
    }
}
