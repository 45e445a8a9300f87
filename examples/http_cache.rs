//! An axum application behind the HTTP cache: run it, and ask twice.
//!
//! ```sh
//! cargo run --example http_cache --features http-cache   # the embedded engine, nothing to set up
//! curl -i http://127.0.0.1:8787/users/42                 # cache-status: edgecask; fwd=uri-miss; stored
//! curl -i http://127.0.0.1:8787/users/42                 # cache-status: edgecask; hit; ttl=299
//! curl -i -X POST http://127.0.0.1:8787/users/42         # invalidates it
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use edgecask::Keyspace;
use edgecask::cache::Cache;
use edgecask::config::Config;
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::new(Config::from_env()?.client()?);
    // Route by route: users' pages live for five minutes, and a list of them goes with each of them.
    let options = HttpCacheOptions::new(Keyspace::new(["example", "http"])?)
        .ttl(Duration::from_secs(300))
        .stale_while_revalidate(Duration::from_secs(60))
        .user(|request| Some(request.headers.get("x-user-id")?.to_str().ok()?.to_owned()))
        .tags(|request| match request.uri.path() {
            "/users" => vec!["users".to_owned()],
            _ => Vec::new(),
        })
        .invalidate_tags(|_| vec!["users".to_owned()]);
    let app = Router::new()
        .route("/users", get(list))
        .route("/users/{id}", get(read).post(write))
        .layer(HttpCache::new(cache.clone(), options))
        .route("/metrics", get(move || async move { cache.stats().prometheus("http") }));
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8787".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/users/42", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn list() -> Json<Value> {
    Json(json!(["42", "43"]))
}

async fn read(Path(id): Path<String>) -> Json<Value> {
    // What takes long in a real application.
    tokio::time::sleep(Duration::from_millis(200)).await;
    Json(json!({ "id": id, "name": "Ada" }))
}

async fn write(Path(_): Path<String>) -> StatusCode {
    StatusCode::NO_CONTENT
}
