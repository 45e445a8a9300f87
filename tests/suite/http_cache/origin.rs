//! An application that says what a test tells it to, behind the cache: called as a service, or over sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use edgecask::cache::{Cache, CacheOptions, L1Options};
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask::{Client, Keyspace};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt, service_fn};

/// What the application says to a request; the number counts requests from 1.
type Says = dyn Fn(&Parts, usize) -> Response<Body> + Send + Sync;

/// An application with the cache before it.
#[derive(Clone)]
pub(super) struct Origin {
    says: Arc<Says>,
    seen: Arc<Mutex<Vec<Parts>>>,
    options: HttpCacheOptions,
    layer: HttpCache,
}

/// A response as a client sees it.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The body came as its framing says.
    pub(super) whole: bool,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// All lines of a header, joined.
    pub(super) fn header(&self, name: &str) -> String {
        let lines = self.headers.get_all(name).iter();
        lines.map(|line| line.to_str().unwrap()).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn hit(&self) -> bool {
        self.header("cache-status").contains("edgecask; hit")
    }
}

pub(super) fn options() -> HttpCacheOptions {
    HttpCacheOptions::new(Keyspace::new(["http"]).unwrap())
}

/// A response with these header lines.
pub(super) fn response(
    status: u16,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

impl Origin {
    pub(super) fn new(
        says: impl Fn(&Parts, usize) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::with(options(), says)
    }

    pub(super) fn with(
        options: HttpCacheOptions,
        says: impl Fn(&Parts, usize) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        Self::over(Cache::new(Client::memory()), options, says)
    }

    pub(super) fn over(
        cache: Cache,
        options: HttpCacheOptions,
        says: impl Fn(&Parts, usize) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let layer = HttpCache::new(cache, options.clone());
        Self { says: Arc::new(says), seen: Arc::default(), options, layer }
    }

    /// The same application behind an empty cache with a first tier.
    pub(super) fn with_first_tier(self) -> Self {
        let cache_options = CacheOptions::new().l1(L1Options::new().bytes(64 << 10));
        let cache = Cache::with_options(Client::memory(), cache_options);
        Self { layer: HttpCache::new(cache, self.options.clone()), ..self }
    }

    /// How many requests have reached the application.
    pub(super) fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The head of the request that reached the application last.
    pub(super) fn last_seen(&self) -> Parts {
        self.seen.lock().unwrap().last().expect("the application was asked").clone()
    }

    fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, _) = request.into_parts();
        let mut seen = self.seen.lock().unwrap();
        seen.push(head.clone());
        let number = seen.len();
        drop(seen);
        (self.says)(&head, number)
    }

    pub(super) async fn call(&self, request: Request<Body>) -> Answer {
        let origin = self.clone();
        let service = self.layer.layer(service_fn(move |request| {
            let origin = origin.clone();
            async move { Ok::<_, Infallible>(origin.answer(request)) }
        }));
        let response = service.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await;
        let whole = body.is_ok();
        let body = body.unwrap_or_default().to_vec();
        Answer { status: head.status, headers: head.headers, body, whole }
    }

    /// A request without a socket, with header lines as they are given.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", "example.org");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::empty()).unwrap()).await
    }

    pub(super) async fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", "/", headers).await
    }

    /// Serves over a socket.
    pub(super) async fn listen(&self) -> SocketAddr {
        let origin = self.clone();
        let app = Router::new().fallback(move |request: Request<Body>| {
            let origin = origin.clone();
            async move { origin.answer(request) }
        });
        serve(app.layer(self.layer.clone())).await
    }
}

pub(super) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// A connection that reads bytes, not what a library makes of them.
pub(super) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(super) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub(super) async fn send(&mut self, request: &str) {
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    pub(super) async fn get(&mut self, path: &str, headers: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: example.org\r\n{headers}\r\n")).await;
        self.read(false).await
    }

    /// More bytes; false at the end of the connection.
    async fn more(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0)
    }

    /// The connection has ended without another byte.
    pub(super) async fn has_ended(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    /// The head of a response.
    pub(super) async fn head(&mut self) -> (StatusCode, HeaderMap) {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at;
            }
            assert!(self.more().await, "the connection ends before a response");
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            let name = axum::http::HeaderName::try_from(name).unwrap();
            headers.append(name, value.trim().parse().unwrap());
        }
        (StatusCode::from_u16(status).unwrap(), headers)
    }

    /// A chunk of a chunked body; `None` if the connection ends before it.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|bytes| bytes == b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..at]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                if self.buffer.len() >= at + 4 + size {
                    let chunk = self.buffer[at + 2..at + 2 + size].to_vec();
                    self.buffer.drain(..at + 4 + size);
                    return Some(chunk);
                }
            }
            if !self.more().await {
                return None;
            }
        }
    }

    pub(super) async fn read(&mut self, head_only: bool) -> Answer {
        let (status, headers) = self.head().await;
        let (mut body, mut whole) = (Vec::new(), true);
        let length = headers.get("content-length").map(|value| value.to_str().unwrap());
        if head_only || status == StatusCode::NOT_MODIFIED {
        } else if let Some(length) = length {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < length && whole {
                whole = self.more().await;
            }
            let end = length.min(self.buffer.len());
            body = self.buffer.drain(..end).collect();
        } else if headers.contains_key("transfer-encoding") {
            loop {
                match self.chunk().await {
                    None => whole = false,
                    Some(chunk) if !chunk.is_empty() => {
                        body.extend(chunk);
                        continue;
                    }
                    Some(_) => {}
                }
                break;
            }
        } else {
            while self.more().await {}
            body = std::mem::take(&mut self.buffer);
        }
        Answer { status, headers, body, whole }
    }
}
