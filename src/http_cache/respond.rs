//! The responses that a client gets: stored ones, parts of them, and the cache's own.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response};
use http_body::Body;

use super::HttpCacheBody;
use super::conditions::{Part, client_has, part_of};
use super::exchange::Exchange;
use super::request::Place;
use super::rules::Rules;
use super::stored::Variant;

impl Exchange {
    /// A stored response, for a client. `None`: its body is gone.
    pub(super) async fn serve<B: Body<Data = Bytes>>(
        &self,
        variant: &Variant,
        place: &Place,
        client: &Parts,
        how: String,
    ) -> Option<Response<HttpCacheBody<B>>> {
        let mut headers = (*variant.headers(&self.memory)).clone();
        let age = variant.rules.age(self.options.now()) / 1000;
        headers.insert(header::AGE, HeaderValue::from(age));
        let head = with_headers(variant.status(), headers);
        self.respond(head, variant, place, client, how, None).await
    }

    /// A response whose body is stored by a name, or given. `None`: the body is gone.
    pub(super) async fn respond<B: Body<Data = Bytes>>(
        &self,
        mut head: response::Parts,
        variant: &Variant,
        place: &Place,
        client: &Parts,
        how: String,
        body: Option<Bytes>,
    ) -> Option<Response<HttpCacheBody<B>>> {
        if !head.headers.contains_key(header::ETAG)
            && let Some(tag) = variant.own_tag()
        {
            head.headers.insert(header::ETAG, tag);
        }
        self.for_cdn(&mut head.headers, place, &variant.rules);
        if head.status == StatusCode::OK
            && client_has(&client.headers, &head.headers, variant.rules.received)
        {
            not_modified(&mut head);
            return Some(pass(head, HttpCacheBody::full(Bytes::new()), &how));
        }
        head.headers.remove(header::TRANSFER_ENCODING);
        let length = variant.length;
        let bodiless = head.status == StatusCode::NO_CONTENT;
        if !bodiless {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if client.method == Method::HEAD || bodiless {
            return Some(pass(head, HttpCacheBody::full(Bytes::new()), &how));
        }
        let mut body = match body {
            Some(body) => body,
            None => self.body(variant, place).await?,
        };
        if head.status == StatusCode::OK {
            match part_of(&client.headers, &head.headers, length) {
                Part::Whole => {}
                Part::Range { first, last } => {
                    body = body.slice(first as usize..=last as usize);
                    head.status = StatusCode::PARTIAL_CONTENT;
                    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
                    let range = format!("bytes {first}-{last}/{length}");
                    insert(&mut head.headers, header::CONTENT_RANGE, &range);
                }
                Part::None => {
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
        Some(pass(head, HttpCacheBody::full(body), &how))
    }

    /// Adds what a CDN is told.
    pub(super) fn for_cdn(&self, headers: &mut HeaderMap, place: &Place, rules: &Rules) {
        if let Some(cdn) = &self.options.cdn {
            let now = self.options.now();
            let for_all = !place.private && self.options.vary_on.is_empty();
            let age = (rules.time_left(now) > 0).then(|| rules.age(now));
            cdn.set(headers, &place.entry.tags, for_all, age);
        }
    }

    /// A stored body: from this process's memory, or by one GET.
    pub(super) async fn body(&self, variant: &Variant, place: &Place) -> Option<Bytes> {
        if variant.body.is_empty() {
            return Some(Bytes::new());
        }
        if let Some(body) = self.memory.body(&variant.body) {
            return Some(body);
        }
        let read = self.cache.blobs().get(&place.body(&variant.body)?).await;
        let body = read.unwrap_or_else(|error| {
            tracing::warn!(%error, "a body in the HTTP cache cannot be read");
            None
        })?;
        // A name is a promise of what is in there.
        if super::stored::name_of(&body) != variant.body {
            tracing::warn!("a body in the HTTP cache is not what its name says");
            return None;
        }
        self.memory.put_body(&variant.body, &body);
        Some(body)
    }
}

pub(super) fn with_headers(status: StatusCode, headers: HeaderMap) -> response::Parts {
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

/// Makes a 304 of a head: without what describes a body (RFC 9110, 15.4.5).
fn not_modified(head: &mut response::Parts) {
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

/// A response with a word on what the cache did (RFC 9211).
pub(super) fn pass<B: Body>(
    mut head: response::Parts,
    body: HttpCacheBody<B>,
    how: &str,
) -> Response<HttpCacheBody<B>> {
    if let Ok(status) = HeaderValue::from_str(&format!("edgecask; {how}")) {
        head.headers.append("cache-status", status);
    }
    Response::from_parts(head, body)
}

/// A response of the cache's own, without a body.
pub(super) fn own<B: Body<Data = Bytes>>(
    status: StatusCode,
    how: &str,
) -> Response<HttpCacheBody<B>> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    pass(with_headers(status, headers), HttpCacheBody::full(Bytes::new()), how)
}
