//! What the cache has for a request, and what it keeps of a response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, response,
};
use http_body::Body;

use super::conditions::{Conditions, Part, client_has, part_of};
use super::flight::{Flights, Lead};
use super::request::Place;
use super::rules::{Asked, Rules, Timing, Use, Wants, Why};
use super::stored::{Index, Memory, Variant, merged, to_store};
use super::{HttpCacheBody, HttpCacheOptions};
use crate::Key;
use crate::cache::{Cache, Lookup, StoreGuard, Versions};

/// What was found of a URL.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) index: Index,
    versions: Versions,
    pub(super) reachable: bool,
}

/// What the cache says to a request.
pub(super) enum Verdict<B: Body> {
    /// This is the answer.
    Serve(Response<HttpCacheBody<B>>),
    /// This is the answer, and the service is to be asked behind the client's back.
    ServeAndRefresh(Response<HttpCacheBody<B>>, Box<Found>),
    /// The service is to be asked; the stored response may help if it fails, or if it says that it is still right.
    Ask { found: Box<Found>, stored: Option<Box<Variant>>, why: Why },
}

/// Everything of the cache that an exchange needs.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) cache: Cache,
    pub(super) options: Arc<HttpCacheOptions>,
    pub(super) memory: Arc<Memory>,
    pub(super) flights: Arc<Flights>,
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// In this process's memory too, if the cache has a first tier.
    Near,
    Far,
}

impl Found {
    /// It comes from this process's memory.
    pub(super) fn is_near(&self) -> bool {
        self.reachable && self.versions.is_empty()
    }
}

impl Exchange {
    pub(super) fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        let memory = Arc::new(Memory::new(options.memory));
        Self { cache, options: Arc::new(options), memory, flights: Arc::default() }
    }

    /// Looks a URL up. Errors are logged: the application answers all the same.
    pub(super) async fn find(&self, place: &Place, look: Look) -> Found {
        let options = place.entry.clone().into();
        let looked = match look {
            Look::Near => self.cache.find(&place.key, &options).await,
            Look::Far => self.cache.lookup(&place.key, &options).await,
        };
        let (found, versions) = looked.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be read");
            (Lookup::Unavailable, Versions::new())
        });
        let reachable = !matches!(found, Lookup::Unavailable);
        Found { index: found.found().unwrap_or_default(), versions, reachable }
    }

    /// What is to be done about a request, by what the cache has.
    pub(super) async fn judge<B: Body<Data = Bytes>>(
        &self,
        found: Found,
        place: &Place,
        client: &Parts,
        wants: &Wants,
    ) -> Verdict<B> {
        let now = self.options.now();
        let ask = |found, stored: Option<Variant>, why| Verdict::Ask {
            found: Box::new(found),
            stored: stored.map(Box::new),
            why,
        };
        let Some(variant) = found.index.select(&client.headers) else {
            let why = match found.index.variants.is_empty() {
                true => Why::UriMiss,
                false => Why::VaryMiss,
            };
            return ask(found, None, why);
        };
        let used = variant.rules.judge(wants, now);
        let how = |detail: Option<&str>| {
            let ttl = variant.rules.time_left(now).div_euclid(1000);
            let detail = detail.map(|detail| format!("; detail={detail}")).unwrap_or_default();
            format!("hit; ttl={ttl}{detail}")
        };
        let (how, refresh) = match used {
            Use::Serve { detail } => (how(detail), false),
            Use::ServeAndRefresh => (how(Some("stale")), true),
            Use::Ask(why) => {
                let stored = variant.clone();
                return ask(found, Some(stored), why);
            }
        };
        match self.serve(variant, place, client, how).await {
            Some(answer) if refresh => Verdict::ServeAndRefresh(answer, Box::new(found)),
            Some(answer) => Verdict::Serve(answer),
            // Its body is gone.
            None => ask(found, None, Why::Miss),
        }
    }

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

    /// The right to store the response to a request that is made now, also in the place of another request.
    pub(super) async fn guard(&self, place: &Place, found: &Found) -> Option<StoreGuard> {
        if !found.reachable {
            return None;
        }
        let (key, entry, versions) = (&place.key, place.entry.clone(), &found.versions);
        logged(self.cache.begin_store_knowing(key, entry, versions).await)
    }

    /// As [`Exchange::guard`], if nobody else has it.
    pub(super) async fn try_guard(&self, place: &Place, found: &Found) -> Option<StoreGuard> {
        if !found.reachable {
            return None;
        }
        let (key, entry, versions) = (&place.key, place.entry.clone(), &found.versions);
        logged(self.cache.try_begin_store_knowing(key, entry, versions).await)
    }

    /// The headers of a request that asks whether a stored response is still the right one (RFC 9111, 4.3.1). `None`: it
    /// has nothing to ask by.
    pub(super) fn conditional(&self, client: &HeaderMap, stored: &Variant) -> Option<HeaderMap> {
        let known = stored.headers(&self.memory);
        let mut headers = client.clone();
        headers.remove(header::IF_NONE_MATCH);
        headers.remove(header::IF_MODIFIED_SINCE);
        for (condition, validator) in [
            (header::IF_NONE_MATCH, header::ETAG),
            (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED),
        ] {
            if let Some(value) = known.get(validator) {
                headers.insert(condition, value.clone());
            }
        }
        super::rules::validates(&known).then_some(headers)
    }

    /// What is stored of a whole response; `None`: nothing.
    pub(super) fn rules(
        &self,
        client: &Parts,
        place: &Place,
        head: &mut response::Parts,
        timing: Timing,
    ) -> Option<Rules> {
        self.options.rules(Asked { head: client, private: place.private }, head, timing)
    }

    /// The stored response after a 304 (RFC 9111, 4.3.4), and what its client gets; `None`: it is another one that the
    /// service means.
    pub(super) fn freshened(
        &self,
        stored: &Variant,
        update: &response::Parts,
    ) -> Option<HeaderMap> {
        let known = stored.headers(&self.memory);
        let conditions = Conditions { known: &known, update: &update.headers };
        conditions.select().then(|| merged(&known, &update.headers, self.options.now()))
    }

    /// Stores an index; tells whether it did.
    async fn store_index(&self, index: &Index, guard: StoreGuard, kept: u64) -> bool {
        let stored = guard.store_for(index, Duration::from_millis(kept).into()).await;
        stored.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response cannot be stored");
            false
        })
    }

    /// Stores a response: its body if it is new, then the index. Three round trips.
    pub(super) async fn store(
        &self,
        place: &Place,
        found: Found,
        variant: Variant,
        body: Option<&Bytes>,
        guard: StoreGuard,
    ) -> bool {
        let now = self.options.now();
        let mut index = found.index;
        let name = variant.body.clone();
        index.put(variant, now);
        let kept = index.kept(now);
        if let Some(key) = place.body(&name).filter(|_| !name.is_empty())
            && !self.store_body(&key, &name, body, kept).await
        {
            guard.release().await;
            return false;
        }
        self.store_index(&index, guard, kept).await
    }

    /// Stores a body for longer than the index that names it.
    async fn store_body(&self, key: &Key, name: &str, body: Option<&Bytes>, kept: u64) -> bool {
        const LONGER: u64 = 60_000;
        let kept = Duration::from_millis(kept.saturating_add(LONGER));
        let stored = async {
            if body.is_none() && self.cache.blobs().keep(key, kept).await? {
                return Ok(true);
            }
            let Some(body) = body.cloned().or_else(|| self.memory.body(name)) else {
                return Ok(false);
            };
            self.cache.blobs().put(key, &body, kept).await?;
            self.memory.put_body(name, &body);
            Ok::<_, crate::Error>(true)
        };
        stored.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response's body cannot be stored");
            false
        })
    }

    /// Forgets a stored response that a newer one has replaced that is not stored.
    pub(super) async fn forget(&self, found: Found, stored: &Variant, guard: Option<StoreGuard>) {
        let Some(guard) = guard else { return };
        let mut index = found.index;
        index.remove(stored);
        let kept = index.kept(self.options.now());
        self.store_index(&index, guard, kept).await;
    }

    /// Invalidates what a successful write has changed (RFC 9111, 4.4).
    pub(super) async fn written(&self, request: &Parts, response: &HeaderMap) {
        let invalidated = async {
            let mut tags = self.options.tags_written_by(request);
            tags.push(self.options.url_tag(request)?);
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                tags.extend(self.options.named_tag(request, response, name));
            }
            tags.sort_unstable();
            tags.dedup();
            self.cache.invalidate_tags(tags).await?;
            for pattern in self.options.patterns_written_by(request) {
                self.cache.delete_matching(&pattern).await?;
            }
            Ok::<(), crate::Error>(())
        };
        if let Err(error) = invalidated.await {
            tracing::error!(%error, "the HTTP cache still holds what a write has changed");
        }
    }
}

/// A response that is stored when its body has come, and what others wait for until then.
pub(super) struct Storing {
    pub(super) exchange: Exchange,
    pub(super) place: Arc<Place>,
    pub(super) found: Found,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) request: HeaderMap,
    pub(super) rules: Rules,
    /// If the body breaks off, or the client goes away, the guard is dropped, and so released.
    pub(super) guard: Option<StoreGuard>,
    pub(super) lead: Option<Lead>,
}

impl Storing {
    /// Stores the response with its body; tells what was stored.
    pub(super) async fn finish(mut self, body: Bytes) -> (Variant, bool) {
        let headers = to_store(&self.headers, self.exchange.options.now());
        let variant = Variant::new(self.status, &headers, &body, self.rules, &self.request);
        let Some(guard) = self.guard.take() else {
            return (variant, false);
        };
        let found = Found {
            index: std::mem::take(&mut self.found.index),
            versions: Versions::new(),
            reachable: true,
        };
        let stored =
            self.exchange.store(&self.place, found, variant.clone(), Some(&body), guard).await;
        drop(self.lead.take());
        (variant, stored)
    }
}

fn logged(guard: crate::Result<Option<StoreGuard>>) -> Option<StoreGuard> {
    guard.unwrap_or_else(|error| {
        tracing::warn!(%error, "the HTTP cache cannot be written");
        None
    })
}

/// Whether a status says that the service is in trouble (RFC 5861, 4).
pub(super) fn in_trouble(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
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

/// The same head again: [`Parts`] with their extensions are the service's.
pub(super) fn copy_of(request: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = request.method.clone();
    copy.uri = request.uri.clone();
    copy.version = request.version;
    copy.headers = request.headers.clone();
    copy.extensions = request.extensions.clone();
    copy
}
