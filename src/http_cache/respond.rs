//! The responses for clients: stored ones, parts of them, and those that the cache generates.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response};
use http_body::Body;

use super::HttpCacheBody;
use super::cache_key::CacheKey;
use super::cache_status::CacheStatus;
use super::conditions::is_not_modified;
use super::core::Core;
use super::freshness::Freshness;
use super::index::{StoredResponse, body_name};
use super::ranges::{RequestedRange, requested_range};

impl Core {
    /// A stored response with its age, for a client. `None`: its body is gone.
    pub(super) async fn serve<B: Body<Data = Bytes>>(
        &self,
        stored: &StoredResponse,
        cache_key: &CacheKey,
        request: &Parts,
        status: CacheStatus,
    ) -> Option<Response<HttpCacheBody<B>>> {
        let mut headers = (*stored.headers(&self.memory)).clone();
        let age = stored.freshness.age(self.options.now()) / 1000;
        headers.insert(header::AGE, HeaderValue::from(age));
        let head = head_of(stored.status(), headers);
        self.respond(head, stored, cache_key, request, status, None).await
    }

    /// The client's response: whole, a part or a 304, as the request asks. The body is read if it is not given. `None`: it is
    /// gone.
    pub(super) async fn respond<B: Body<Data = Bytes>>(
        &self,
        mut head: response::Parts,
        stored: &StoredResponse,
        cache_key: &CacheKey,
        request: &Parts,
        status: CacheStatus,
        body: Option<Bytes>,
    ) -> Option<Response<HttpCacheBody<B>>> {
        if !head.headers.contains_key(header::ETAG)
            && let Some(tag) = stored.generated_etag()
        {
            head.headers.insert(header::ETAG, tag);
        }
        self.add_cdn_headers(&mut head.headers, cache_key, &stored.freshness);
        if head.status == StatusCode::OK
            && is_not_modified(&request.headers, &head.headers, stored.freshness.response_time)
        {
            as_not_modified(&mut head);
            return Some(with_cache_status(head, HttpCacheBody::full(Bytes::new()), status));
        }
        head.headers.remove(header::TRANSFER_ENCODING);
        let length = stored.length;
        let bodiless = head.status == StatusCode::NO_CONTENT;
        if !bodiless {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if request.method == Method::HEAD || bodiless {
            return Some(with_cache_status(head, HttpCacheBody::full(Bytes::new()), status));
        }
        let mut body = match body {
            Some(body) => body,
            None => self.body(stored, cache_key).await?,
        };
        if head.status == StatusCode::OK {
            match requested_range(&request.headers, &head.headers, length) {
                RequestedRange::Whole => {}
                RequestedRange::Part { first, last } => {
                    body = body.slice(first as usize..=last as usize);
                    head.status = StatusCode::PARTIAL_CONTENT;
                    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
                    let range = format!("bytes {first}-{last}/{length}");
                    insert(&mut head.headers, header::CONTENT_RANGE, &range);
                }
                RequestedRange::Unsatisfiable => {
                    body = Bytes::new();
                    head.status = StatusCode::RANGE_NOT_SATISFIABLE;
                    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
                    insert(&mut head.headers, header::CONTENT_RANGE, &format!("bytes */{length}"));
                    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                        head.headers.remove(name);
                    }
                }
            }
        }
        Some(with_cache_status(head, HttpCacheBody::full(body), status))
    }

    /// Adds the headers for a CDN.
    pub(super) fn add_cdn_headers(
        &self,
        headers: &mut HeaderMap,
        cache_key: &CacheKey,
        freshness: &Freshness,
    ) {
        if let Some(cdn) = &self.options.cdn {
            let now = self.options.now();
            let for_all = !cache_key.private && self.options.vary_on.is_empty();
            let age = (freshness.time_left(now) > 0).then(|| freshness.age(now));
            cdn.set(headers, &cache_key.entry.tags, for_all, age);
        }
    }

    /// A stored body: from this process's memory, or by one GET.
    pub(super) async fn body(
        &self,
        stored: &StoredResponse,
        cache_key: &CacheKey,
    ) -> Option<Bytes> {
        if stored.body.is_empty() {
            return Some(Bytes::new());
        }
        if let Some(body) = self.memory.body(&stored.body) {
            return Some(body);
        }
        let read = self.cache.blobs().get(&cache_key.body(&stored.body)?).await;
        let body = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "a body in the HTTP cache cannot be read");
            None
        })?;
        // The name is the hash of the body.
        if body_name(&body) != stored.body {
            tracing::warn!("a body in the HTTP cache does not match its hash");
            return None;
        }
        self.memory.put_body(&stored.body, &body);
        Some(body)
    }
}

pub(super) fn head_of(status: StatusCode, headers: HeaderMap) -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    head.headers = headers;
    head
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Makes a head a 304, without the headers that describe a body (RFC 9110, 15.4.5).
pub(super) fn as_not_modified(head: &mut response::Parts) {
    head.status = StatusCode::NOT_MODIFIED;
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
    ] {
        head.headers.remove(name);
    }
}

/// A response with `Cache-Status`.
pub(super) fn with_cache_status<B: Body>(
    mut head: response::Parts,
    body: HttpCacheBody<B>,
    cache_status: CacheStatus,
) -> Response<HttpCacheBody<B>> {
    cache_status.append_to(&mut head.headers);
    Response::from_parts(head, body)
}

/// A response that the cache generates, without a body.
pub(super) fn generated_response<B: Body<Data = Bytes>>(
    status: StatusCode,
    cache_status: CacheStatus,
) -> Response<HttpCacheBody<B>> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    with_cache_status(head_of(status, headers), HttpCacheBody::full(Bytes::new()), cache_status)
}
