//! Reports that take long to make, behind the HTTP cache: fresh for a minute, served stale for an hour while a new one is
//! made after the response.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use edgecask::cache::{Cache, CacheOptions, WorkerCache};
use edgecask::config::Config;
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask::{Error, ErrorKind, Keyspace, Result};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use worker::{Context, Env, Request, Response};

/// Answers a request from the cache, or makes the report.
pub(crate) async fn answer(request: &Request, env: &Env, context: Context) -> Result<Response> {
    // The cache is the isolate's, the background the request's.
    let (cache, context) = (cache(env)?, Arc::new(context));
    let cache = cache.wait_until(move |work| context.wait_until(work));
    let options = HttpCacheOptions::new(Keyspace::new(["reports"])?);
    let service = HttpCache::new(cache, options).layer(service_fn(report));
    let response = service.oneshot(to_http(request)?).await;
    let (head, body) = response.unwrap_or_else(|never| match never {}).into_parts();
    let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    let failed = |_| Error::new(ErrorKind::Http, "the response has a header that cannot be sent");
    let mut response = match body.is_empty() {
        true => Response::empty(),
        false => Response::from_bytes(body.to_vec()),
    }
    .map_err(failed)?
    .with_status(head.status.as_u16());
    for (name, value) in &head.headers {
        let value = value.to_str().unwrap_or_default();
        response.headers_mut().set(name.as_str(), value).map_err(failed)?;
    }
    Ok(response)
}

/// The application: it makes a report. POST says that its numbers have changed.
async fn report(
    request: http::Request<Full<bytes::Bytes>>,
) -> std::result::Result<http::Response<Full<bytes::Bytes>>, Infallible> {
    let mut response = http::Response::new(Full::default());
    if request.method() == http::Method::POST {
        *response.status_mut() = http::StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let made_at = worker::Date::now().as_millis();
    let body = json!({ "report": request.uri().path(), "madeAt": made_at, "rows": vec![7; 1000] });
    *response.body_mut() = Full::from(body.to_string());
    let control = "max-age=60, stale-while-revalidate=3600";
    let headers = response.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, http::HeaderValue::from_static(control));
    let json = http::HeaderValue::from_static("application/json");
    headers.insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

fn cache(env: &Env) -> Result<&'static Cache> {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    if let Some(cache) = CACHE.get() {
        return Ok(cache);
    }
    // The data center's own cache spares Redis the bodies; their tags are still asked of it.
    let options = CacheOptions::new().edge(WorkerCache::open()?, Duration::from_secs(60));
    let cache = Cache::with_options(Config::from_worker(env)?.client()?, options);
    Ok(CACHE.get_or_init(|| cache))
}

fn to_http(request: &Request) -> Result<http::Request<Full<bytes::Bytes>>> {
    let unreadable = || Error::new(ErrorKind::InvalidInput, "the request is not one of HTTP");
    let mut http = http::Request::builder()
        .method(request.method().to_string().as_str())
        // Not parsed by the worker crate: that would bring the tables of international names with it.
        .uri(request.inner().url());
    // The URL names the host. In front of a Worker the header may name another one.
    for (name, value) in request.headers().into_iter().filter(|(name, _)| name != "host") {
        http = http.header(name, value);
    }
    http.body(Full::default()).map_err(|_| unreadable())
}
