//! The responses for clients: stored ones, parts of them, and those that the cache generates.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response};
use http_body::Body;

use super::HttpCacheBody;
use super::cache_key::{CacheKey, IndexKey};
use super::cache_status::CacheStatus;
use super::conditions::{is_not_modified, names_entity_tag};
use super::core::Core;
use super::directives::RequestDirectives;
use super::freshness::{Freshness, Reuse};
use super::index::{Index, StoredResponse, body_name};
use super::origin_request::OriginRequest;
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
        let headers = (*stored.headers(&self.memory)).clone();
        let head = head_with_age(stored, headers, self.options.now());
        self.respond(head, stored, cache_key, request, status).await
    }

    /// The client's response: whole, a part or a 304, as the request asks. The body is read. `None`: it is gone.
    pub(super) async fn respond<B: Body<Data = Bytes>>(
        &self,
        mut head: response::Parts,
        stored: &StoredResponse,
        cache_key: &CacheKey,
        request: &Parts,
        status: CacheStatus,
    ) -> Option<Response<HttpCacheBody<B>>> {
        self.add_cdn_headers(&mut head.headers, cache_key, &stored.freshness);
        stored.complete(&mut head.headers);
        if !has_body(&mut head, stored, request) {
            return Some(with_cache_status(head, HttpCacheBody::full(Bytes::new()), status));
        }
        let body = self.body(stored, cache_key).await?;
        let body = requested_part(&mut head, body, request);
        Some(with_cache_status(head, HttpCacheBody::full(body), status))
    }

    /// The client's response from the service's complete response to a GET. `is_validation`: the request went out with the
    /// cache's condition in place of the client's.
    pub(super) fn respond_anew<B: Body<Data = Bytes>>(
        &self,
        mut head: response::Parts,
        stored: &StoredResponse,
        origin: &OriginRequest,
        is_validation: bool,
        status: CacheStatus,
        body: Bytes,
    ) -> Response<HttpCacheBody<B>> {
        let has_entity_tag = head.headers.contains_key(header::ETAG);
        self.add_cdn_headers(&mut head.headers, &origin.cache_key, &stored.freshness);
        stored.complete(&mut head.headers);
        let request = &origin.request.headers;
        let not_modified = match is_validation {
            true => is_not_modified(request, &head.headers, stored.freshness.response_time),
            // The service has judged the client's condition (RFC 9111, 4.3.2). It does not know an entity tag that the cache made.
            false => !has_entity_tag && names_entity_tag(request, &head.headers),
        };
        let body = match head.status {
            StatusCode::OK if not_modified => {
                as_not_modified(&mut head);
                Bytes::new()
            }
            StatusCode::NO_CONTENT => Bytes::new(),
            _ => body,
        };
        with_cache_status(head, HttpCacheBody::full(body), status)
    }

    /// A stored response that this process holds all of, if it answers the request without validation: its index is in the
    /// cache's first tier, and its body in this process's memory. No round trip.
    pub(super) fn serve_near<B: Body<Data = Bytes>>(
        &self,
        index: &IndexKey,
        request: &Parts,
        directives: &RequestDirectives,
    ) -> Option<Response<HttpCacheBody<B>>> {
        // The headers for a CDN need the tags.
        if self.options.cdn.is_some() {
            return None;
        }
        let index = self.cache.peek_near::<Index>(&index.index)?;
        let stored = index.select(&request.headers)?;
        let now = self.options.now();
        let Reuse::Serve { detail } = stored.freshness.reuse(directives, now) else { return None };
        let body = match stored.body.as_str() {
            "" => Bytes::new(),
            name => self.memory.body(name)?,
        };
        self.cache.count_near();
        let status = CacheStatus::hit(stored.freshness.time_left(now), detail);
        let headers = stored.served_headers(&self.memory).clone();
        let mut head = head_with_age(stored, headers, now);
        let body = match has_body(&mut head, stored, request) {
            true => requested_part(&mut head, body, request),
            false => Bytes::new(),
        };
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

    /// A stored body: from this process's memory, the store at the edge, or by one GET.
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
        let key = cache_key.body(&stored.body)?;
        // The name is the hash of the body.
        let is_intact = |body: &[u8]| body_name(body) == stored.body;
        let read = self.cache.blobs().get(&key, is_intact, self.cache.background()).await;
        let body = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "a body in the HTTP cache cannot be read");
            None
        })?;
        self.memory.put_body(&stored.body, &body);
        Some(body)
    }
}

/// The head of a stored response that was not validated.
fn head_with_age(stored: &StoredResponse, mut headers: HeaderMap, now: u64) -> response::Parts {
    headers.insert(header::AGE, HeaderValue::from(stored.freshness.age(now) / 1000));
    head_of(stored.status(), headers)
}

pub(super) fn head_of(status: StatusCode, headers: HeaderMap) -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    head.headers = headers;
    head
}

/// Turns the head of a stored response into that of the client's response. False: the client's response has no body, because it
/// is a 304 or the request is a HEAD.
fn has_body(head: &mut response::Parts, stored: &StoredResponse, request: &Parts) -> bool {
    if head.status == StatusCode::OK
        && is_not_modified(&request.headers, &head.headers, stored.freshness.response_time)
    {
        as_not_modified(head);
        return false;
    }
    head.status != StatusCode::NO_CONTENT && request.method != Method::HEAD
}

/// The part of a body that the request asks for. The head becomes that of the part.
fn requested_part(head: &mut response::Parts, body: Bytes, request: &Parts) -> Bytes {
    if head.status != StatusCode::OK || !request.headers.contains_key(header::RANGE) {
        return body;
    }
    let length = body.len() as u64;
    match requested_range(&request.headers, &head.headers, length) {
        RequestedRange::Whole => body,
        RequestedRange::Part { first, last } => {
            let part = body.slice(first as usize..=last as usize);
            head.status = StatusCode::PARTIAL_CONTENT;
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.len()));
            let range = format!("bytes {first}-{last}/{length}");
            insert(&mut head.headers, header::CONTENT_RANGE, &range);
            part
        }
        RequestedRange::Unsatisfiable => {
            head.status = StatusCode::RANGE_NOT_SATISFIABLE;
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
            insert(&mut head.headers, header::CONTENT_RANGE, &format!("bytes */{length}"));
            for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
                head.headers.remove(name);
            }
            forbid_storing(&mut head.headers);
            Bytes::new()
        }
    }
}

/// Makes the headers of a stored response those of an error about it, which no cache may store: without its validators, its
/// freshness (RFC 9111, 4.2; RFC 9213) and its tags.
fn forbid_storing(headers: &mut HeaderMap) {
    let is_of_cache = |name: &str| {
        name.ends_with("cache-control")
            || matches!(name, "expires" | "etag" | "last-modified" | "cache-tag")
            || matches!(name, "surrogate-control" | "surrogate-key" | "edge-control")
    };
    let names: Vec<_> = headers.keys().filter(|name| is_of_cache(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
