//! One request and its response, through the cache.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, response};
use http_body::Body;
use http_cache_semantics::{AfterResponse, BeforeRequest};

use super::request::{Place, insists, without_conditions};
use super::response::{self as stored_response, Stored, client_has, is_for, now, with_etag};
use super::{HttpCacheBody, HttpCacheOptions};
use crate::cache::{Cache, Lookup, Permit, Versions};

/// What was found of a URL.
pub(super) struct Found {
    pub(super) variants: Vec<Stored>,
    pub(super) versions: Versions,
    reachable: bool,
}

/// What the cache says to a request.
pub(super) enum Verdict {
    /// This is the answer.
    Serve(Box<(response::Parts, Bytes)>),
    /// This is the answer, and the service is to be asked behind the client's back.
    ServeAndRefresh(Box<(response::Parts, Bytes)>),
    /// The service is to be asked; the stored response may help if it fails, or if it says that it is still right.
    Ask(Option<Box<Stored>>),
}

/// Everything of the cache that an exchange needs.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) cache: Cache,
    pub(super) options: HttpCacheOptions,
}

impl Exchange {
    /// Looks a request up. Errors are logged: the application answers all the same.
    pub(super) async fn find(&self, place: &Place) -> Found {
        let looked = self.cache.lookup(&place.key, &place.entry.clone().into()).await;
        let (found, versions) = looked.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be read");
            (Lookup::Unavailable, Versions::new())
        });
        let reachable = !matches!(found, Lookup::Unavailable);
        Found { variants: found.found().unwrap_or_default(), versions, reachable }
    }

    /// What is to be done about a request.
    pub(super) fn judge(&self, found: &Found, place: &Place) -> Verdict {
        let Some(stored) = found.variants.iter().find(|stored| is_for(stored, &place.request))
        else {
            return Verdict::Ask(None);
        };
        let answer = || Some(Box::new((stored.head()?, stored.body()?)));
        match stored.policy.before_request(&place.request, now()) {
            BeforeRequest::Fresh(_) => answer().map_or(Verdict::Ask(None), Verdict::Serve),
            BeforeRequest::Stale { .. } => {
                if stored.may_be_stale_while_revalidating()
                    && !insists(&place.request)
                    && let Some(answer) = answer()
                {
                    return Verdict::ServeAndRefresh(answer);
                }
                Verdict::Ask(Some(Box::new(stored.clone())))
            }
        }
    }

    /// The right to store the response to a request that is made now.
    pub(super) async fn permit(
        &self,
        place: &Place,
        found: &Found,
        refresh: bool,
    ) -> Option<Permit> {
        if !found.reachable {
            return None;
        }
        let versions = found.versions.clone();
        let permit = match refresh {
            true => self.cache.permit_to_refresh(&place.key, &place.entry, versions).await,
            false => self.cache.permit_to_store(&place.key, &place.entry, versions).await,
        };
        permit.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be written");
            None
        })
    }

    /// The request as the service is to see it: whole, and with the condition that the stored response gives.
    pub(super) fn to_ask(&self, request: &mut Parts, stored: Option<&Stored>, place: &Place) {
        without_conditions(&mut request.headers);
        let conditions = stored.map(|stored| stored.policy.before_request(&place.request, now()));
        if let Some(BeforeRequest::Stale { request: conditional, matches: true }) = conditions {
            for name in [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
                if let Some(value) = conditional.headers.get(&name) {
                    request.headers.insert(name, value.clone());
                }
            }
        }
    }

    /// Stores what the service gave, if it may be stored, and makes the client's response of it.
    pub(super) async fn take<B: Body<Data = Bytes>>(
        &self,
        response: Response<B>,
        client: &Parts,
        place: &Place,
        found: Found,
        stored: Option<Box<Stored>>,
        permit: Option<Permit>,
    ) -> Response<HttpCacheBody<B>> {
        let (mut head, body) = response.into_parts();
        if head.status == StatusCode::NOT_MODIFIED
            && let Some(stored) = stored
            && let AfterResponse::NotModified(policy, mut parts) =
                stored.policy.after_response(&place.request, &head, now())
            && let Some(bytes) = stored.body()
        {
            let entry = self.options.stored(policy, &parts, &bytes);
            self.store(entry, place, found, permit).await;
            // A cookie is for who asked, and not for those whom the entry answers.
            for cookie in head.headers.get_all(header::SET_COOKIE) {
                parts.headers.append(header::SET_COOKIE, cookie.clone());
            }
            return answer(parts, bytes, client, "fwd=stale; fwd-status=304");
        }
        let policy = self.options.policy_of(&place.request, &mut head, place.private);
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let fits = length.is_none_or(|length| length <= self.options.max_body);
        let Some(policy) = policy.filter(|_| fits && client.method == Method::GET) else {
            if let Some(permit) = permit {
                self.cache.give_back(permit).await;
            }
            return pass(head, HttpCacheBody::of(body), "fwd=miss");
        };
        match HttpCacheBody::collect(body, self.options.max_body).await {
            Ok(bytes) => {
                let entry = self.options.stored(policy, &head, &bytes);
                let kept = self.store(entry, place, found, permit).await;
                answer(head, bytes, client, if kept { "fwd=miss; stored" } else { "fwd=miss" })
            }
            Err(body) => {
                if let Some(permit) = permit {
                    self.cache.give_back(permit).await;
                }
                pass(head, body, "fwd=miss")
            }
        }
    }

    async fn store(
        &self,
        entry: Option<Stored>,
        place: &Place,
        found: Found,
        permit: Option<Permit>,
    ) -> bool {
        let (Some(entry), Some(permit)) = (entry, permit) else {
            return false;
        };
        let (variants, kept) = stored_response::with_variant(found.variants, entry, &place.request);
        let stored = self.cache.store_permitted(&place.key, permit, &variants, kept.into()).await;
        stored.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response cannot be stored");
            false
        })
    }

    /// Invalidates what a successful write has changed (RFC 9111, 4.4).
    pub(super) async fn written(&self, request: &Parts) {
        let invalidated = async {
            let mut tags = self.options.tags_written_by(request);
            tags.push(self.options.url_tag(request)?);
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

/// Whether a request with this method changes something.
pub(super) fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// Whether a status says that the service is in trouble (RFC 5861, 4).
pub(super) fn in_trouble(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// A response whose whole body is known: 304 if the client has it, without a body for HEAD.
pub(super) fn answer<B: Body<Data = Bytes>>(
    mut head: response::Parts,
    body: Bytes,
    client: &Parts,
    how: &'static str,
) -> Response<HttpCacheBody<B>> {
    with_etag(&mut head.headers, &body);
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut body = HttpCacheBody::full(body);
    if head.status == StatusCode::OK && client_has(client, &head.headers) {
        head.status = StatusCode::NOT_MODIFIED;
        for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
            head.headers.remove(name);
        }
        body = HttpCacheBody::full(Bytes::new());
    } else if client.method == Method::HEAD {
        body = HttpCacheBody::full(Bytes::new());
    }
    pass(head, body, how)
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
