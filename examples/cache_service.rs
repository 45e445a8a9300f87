//! The cache service: users, answers of models, routes that one write invalidates, and warming by usage, in two tiers.
//!
//! ```sh
//! cargo run --example cache_service --features cache_service,http-cache
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example cache_service --features cache_service,http-cache,tcp
//! CLUSTER=redis://127.0.0.1:7000,redis://127.0.0.1:7001 cargo run --example cache_service --features cache_service,http-cache,tcp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, request};
use axum::routing::get;
use axum::{Json, Router};
use edgecask::cache::{Cache, CacheOptions, L1Options, Usage};
use edgecask::config::Config;
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask::systems::cache_service::{CacheService, ConversationStatus, audio_hash, user_tag};
use edgecask::{BoxError, Client, Keyspace};
use serde_json::{Value, json};
use tower_service::Service;

/// In a real application, queries of the database.
async fn load_user(id: &str) -> Result<Value, BoxError> {
    Ok(json!({ "id": id, "name": "Ada" }))
}

/// Who asks; in a real application, whom the session's token names.
fn user_of(request: &request::Parts) -> Option<String> {
    Some(request.headers.get("x-user-id")?.to_str().ok()?.to_owned())
}

/// The tag of everything that the user has.
fn tags_of(request: &request::Parts) -> Vec<String> {
    user_of(request).and_then(|user| user_tag(&user).ok()).into_iter().collect()
}

/// The routes of a user: read ones are cached for five minutes, and a write invalidates all of them.
fn application(cache: &Cache) -> Result<Router, edgecask::Error> {
    let options = HttpCacheOptions::new(Keyspace::new(["example", "routes"])?)
        .ttl(Duration::from_secs(300))
        .user(user_of)
        .tags(tags_of)
        .invalidate_tags(tags_of);
    Ok(Router::new()
        .route("/me", get(async || Json(json!({ "name": "Ada" }))))
        .route(
            "/conversations",
            get(async || Json(json!(["c1"]))).post(async || StatusCode::CREATED),
        )
        .layer(HttpCache::new(cache.clone(), options)))
}

/// What the cache did about a request of user 123.
async fn ask(app: &mut Router, method: &str, path: &str) -> Result<String, Box<dyn Error>> {
    let request = Request::builder().method(method).uri(format!("http://localhost{path}"));
    let request = request.header("x-user-id", "123").body(Body::empty())?;
    let answer = app.call(request).await?;
    let status = answer.headers().get("cache-status").ok_or("the cache says what it did")?;
    println!("{method} {path}: {}", status.to_str()?);
    Ok(status.to_str()?.to_owned())
}

/// A cluster, by the URLs of some of its servers; else what the variables of the configuration name.
fn client() -> edgecask::Result<Client> {
    #[cfg(feature = "tcp")]
    if let Ok(urls) = std::env::var("CLUSTER") {
        use edgecask::transport::tcp::{TcpOptions, TcpTransport};
        let transport = TcpTransport::new(TcpOptions::cluster(urls.split(',')))?;
        return Client::builder().transport(transport).build();
    }
    Config::from_env()?.client()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = client()?;
    // Two tiers: this process's memory for a second, and Redis behind it.
    let options = CacheOptions::new().l1(L1Options::new().ttl(Duration::from_secs(1)));
    let service = CacheService::new(Cache::with_options(client.clone(), options));
    let users = service.users::<Value>();
    users.invalidate("123").await?;

    // Users: loaded once, and everything of a user goes by one write.
    for _ in 0..2 {
        let user = users.get_or_load("123", || load_user("123")).await?;
        assert_eq!(user["name"], "Ada");
    }
    users.update("123", || async { Ok::<_, BoxError>("UPDATE users SET name = …") }).await?;
    assert_eq!(users.get("123").await?, None);

    // Routes: a user's pages are hits until the user writes.
    let mut app = application(service.cache())?;
    for path in ["/me", "/conversations"] {
        assert!(ask(&mut app, "GET", path).await?.contains("fwd=uri-miss"));
        assert!(ask(&mut app, "GET", path).await?.contains("hit"));
    }
    ask(&mut app, "POST", "/conversations").await?;
    for path in ["/me", "/conversations"] {
        assert!(ask(&mut app, "GET", path).await?.contains("fwd="));
    }

    // Conversations: the status decides how long they are cached.
    let conversations = service.conversations::<Value>();
    let load =
        || async { Ok::<_, BoxError>((json!({ "id": "c1" }), ConversationStatus::Completed)) };
    conversations.get_or_load("123", "c1", load).await?;

    // Answers of models: by the hash of the recording, for thirty days.
    let (ai, hash) = (service.ai(), audio_hash(include_bytes!("policies.json")));
    let transcribe = || async { Ok::<_, BoxError>("what was said".to_owned()) };
    let text = ai.transcription_or_load(&hash, transcribe).await?;
    assert_eq!(ai.transcription::<String>(&hash).await?, Some(text));

    // Warming: who was here most is loaded before they come again.
    let usage = Usage::new(client, &Keyspace::new(["example", "users"])?, 1000)?;
    for id in ["7", "8", "7"] {
        usage.record(id).await?;
    }
    let often = usage.most_used(10).await?;
    // Through the cache of users, so that a write to a user also reaches what was loaded ahead. `Cache::warm` is for entries
    // without tags of their own.
    for id in &often {
        users.get_or_load(id, || load_user(id)).await?;
    }
    println!("{} users warmed", often.len());
    users.update("7", || async { Ok::<_, BoxError>("UPDATE users SET name = …") }).await?;
    assert_eq!(users.get("7").await?, None);
    usage.clear().await?;

    let stats = service.cache().stats();
    println!("hit rate: {:.0} %", stats.hit_rate() * 100.0);
    Ok(())
}
