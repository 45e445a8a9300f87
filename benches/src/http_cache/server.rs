//! A server of fixed bodies on one core, with the HTTP cache before it or without.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use edgecask::cache::{Cache, CacheOptions, L1Options};
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask::{Client, Keyspace};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY};
use hyper::server::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, Service, service_fn};

#[derive(Args)]
pub(crate) struct Serve {
    kind: Kind,
    /// The Redis of the kind `redis`
    #[arg(default_value = "redis://127.0.0.1:6379")]
    redis: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// The service alone
    Bare,
    /// The cache with its first tier, over the embedded engine
    FirstTier,
    /// The cache over the embedded engine
    Engine,
    /// The cache over a Redis
    Redis,
}

/// The body of a path `/BYTES/text` or `/BYTES/binary`, with as many variants as a third part says.
fn answer(path: &str, language: &str) -> Response<Full<Bytes>> {
    let mut parts = path.split('/').skip(1);
    let bytes: usize = parts.next().and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let binary = parts.next() == Some("binary");
    let varies = parts.next().is_some();
    let body: Vec<u8> = match binary {
        true => (0..bytes).map(|at| (at % 251) as u8 | 0x80).collect(),
        false => {
            b"A line of text, as a page has many.\n".iter().copied().cycle().take(bytes).collect()
        }
    };
    let mut response = Response::builder()
        .header(CACHE_CONTROL, "max-age=3600")
        .header(ETAG, format!("\"{bytes}-{language}\""))
        .header(CONTENT_TYPE, if binary { "application/octet-stream" } else { "text/plain" });
    if varies {
        response = response.header(VARY, "accept-language");
    }
    response.body(Full::new(Bytes::from(body))).unwrap_or_default()
}

pub(crate) fn run(serve: &Serve) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        // Each body is made once: the service alone has it in memory.
        let bodies = std::sync::Arc::new(std::sync::Mutex::new(std::collections::HashMap::new()));
        let service = service_fn(move |request: Request<NoBody>| {
            let language = request.headers().get("accept-language");
            let language =
                language.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
            let path = request.uri().path().to_owned();
            let mut bodies = bodies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let response: &Response<Full<Bytes>> = bodies
                .entry((path.clone(), language.clone()))
                .or_insert_with(|| answer(&path, &language));
            std::future::ready(Ok::<_, Infallible>(response.clone()))
        });
        let options =
            HttpCacheOptions::new(Keyspace::new(["bench"])?).max_body(2 << 20).memory(256 << 20);
        let cache = match serve.kind {
            Kind::Bare => return listen(service).await,
            Kind::FirstTier => {
                Cache::with_options(Client::memory(), CacheOptions::new().l1(L1Options::new()))
            }
            Kind::Engine => Cache::new(Client::memory()),
            Kind::Redis => Cache::new(Client::open(&serve.redis)?),
        };
        listen(HttpCache::new(cache, options).layer(service)).await
    })
}

/// No request of this measurement has a body.
type NoBody = http_body_util::Empty<Bytes>;

async fn listen<S, B>(service: S) -> Result<()>
where
    S: Service<Request<NoBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: hyper::body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let mut service = service.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            service.call(request.map(|_| NoBody::new()))
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
            // The load ends its connections as it likes.
            let _ = connection.await;
        });
    }
}
