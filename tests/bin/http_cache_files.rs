//! The files of a folder behind the HTTP cache, over HTTP/2 and TLS, for a test in a browser.
//!
//! `http-cache-files FOLDER` prints the URL of the files, the URL of its control, and its certificate in base64. The control is
//! plain HTTP: `/advance/SECONDS` moves the cache's clock, and `/asked` tells how many requests have reached the files. It runs
//! until it is stopped.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edgecask::cache::Cache;
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask::{Client, Keyspace};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tower_http::services::ServeDir;

/// What the files say of themselves: the cache keeps them for a minute, and a browser asks each time.
const CONTROL: &str = "max-age=0, s-maxage=60";

#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1).expect("the folder is named");
    let (shift, asked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let control = control(&shift, &asked);
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let control_url = format!("http://{}", plain.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(plain, control).await.unwrap() });
    let identity = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = STANDARD.encode(identity.cert.der());
    let acceptor = acceptor(&identity);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    println!("https://localhost:{port} {control_url} {certificate}");
    let app = files(&folder, shift, asked);
    while let Ok((socket, _)) = listener.accept().await {
        let (acceptor, app) = (acceptor.clone(), app.clone());
        tokio::spawn(async move {
            let Ok(socket) = acceptor.accept(socket).await else { return };
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(app);
            // A browser may go away at any time.
            let _ = builder.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

fn control(shift: &Arc<AtomicU64>, asked: &Arc<AtomicU64>) -> Router {
    let (shift, asked) = (Arc::clone(shift), Arc::clone(asked));
    let advance = move |Path(seconds): Path<u64>| async move {
        shift.fetch_add(seconds, Ordering::SeqCst);
    };
    let asked = move || async move { asked.load(Ordering::SeqCst).to_string() };
    Router::new().route("/advance/{seconds}", get(advance)).route("/asked", get(asked))
}

fn acceptor(identity: &CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// The files, with the cache before them. Its clock is that of the system and the shift.
fn files(folder: &str, shift: Arc<AtomicU64>, asked: Arc<AtomicU64>) -> Router {
    let clock = move || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now + Duration::from_secs(shift.load(Ordering::SeqCst))
    };
    let options = HttpCacheOptions::new(Keyspace::new(["files"]).unwrap()).clock(clock);
    let cache = HttpCache::new(Cache::new(Client::memory()), options);
    let say = from_fn(move |request: Request, next: Next| {
        let asked = Arc::clone(&asked);
        async move {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut response: Response = next.run(request).await;
            response.headers_mut().insert("cache-control", CONTROL.parse().unwrap());
            response
        }
    });
    Router::new().fallback_service(ServeDir::new(folder)).layer(say).layer(cache)
}
