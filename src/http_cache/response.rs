//! A response in the cache.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_cache_semantics::CachePolicy;
use serde::{Deserialize, Serialize};

use super::HttpCacheOptions;
use super::request::directives;
use crate::platform::unix_millis;

/// How many variants of a URL are kept.
const VARIANTS: usize = 8;

/// What is stored of a response: as JSON, so that one can look at it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) policy: CachePolicy,
    status: u16,
    headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// Until when it is fresh, in Unix milliseconds.
    fresh_until: u64,
    /// In seconds after that.
    stale_while_revalidate: u64,
    stale_if_error: u64,
}

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unix_millis())
}

impl HttpCacheOptions {
    /// What can be stored of a response; `None`: nothing.
    pub(super) fn policy_of(
        &self,
        request: &Parts,
        response: &mut http::response::Parts,
        private: bool,
    ) -> Option<CachePolicy> {
        let headers = &mut response.headers;
        // What says nothing and is for somebody with a session may be for them alone.
        let anybody = private || !request.headers.contains_key(header::COOKIE);
        let silent = anybody
            && !headers.contains_key(header::CACHE_CONTROL)
            && !headers.contains_key(header::EXPIRES);
        if let Some(ttl) = self.ttl.filter(|_| silent && response.status.is_success()) {
            let scope = if private { "private, " } else { "" };
            let value = format!("{scope}max-age={}", ttl.as_secs());
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_str(&value).ok()?);
        }
        let options = http_cache_semantics::CacheOptions {
            shared: !private,
            ..http_cache_semantics::CacheOptions::default()
        };
        let policy = CachePolicy::new_options(request, response, now(), options);
        let partial = response.status == StatusCode::PARTIAL_CONTENT;
        let cookie = response.headers.contains_key(header::SET_COOKIE);
        let vary = response.headers.get_all(header::VARY).iter().any(|value| value == "*");
        let storable = policy.is_storable() && !partial && !cookie && !vary;
        let useful = !policy.time_to_live(now()).is_zero()
            || !self.window(&response.headers, "stale-while-revalidate").is_zero()
            || validates(&response.headers);
        (storable && useful).then_some(policy)
    }

    /// How long a response may be served stale, by its own word or ours.
    fn window(&self, headers: &HeaderMap, name: &str) -> Duration {
        let directives = directives(headers);
        let find = |name: &str| directives.iter().find(|(own, _)| own == name);
        let forbidden = ["must-revalidate", "proxy-revalidate", "no-cache"];
        if forbidden.iter().any(|name| find(name).is_some()) {
            return Duration::ZERO;
        }
        match find(name).and_then(|(_, seconds)| seconds.parse().ok()) {
            Some(seconds) => Duration::from_secs(seconds),
            None if name == "stale-if-error" => self.stale_if_error,
            None => self.stale_while_revalidate,
        }
    }

    pub(super) fn stored(
        &self,
        policy: CachePolicy,
        response: &http::response::Parts,
        body: &Bytes,
    ) -> Option<Stored> {
        let mut headers = Vec::with_capacity(response.headers.len() + 1);
        for (name, value) in &response.headers {
            if !of_the_connection(name) {
                headers.push((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
            }
        }
        let text = std::str::from_utf8(body).ok().map(str::to_owned);
        let base64 = text.is_none().then(|| BASE64.encode(body));
        let fresh = policy.time_to_live(now()).as_millis() as u64;
        Some(Stored {
            fresh_until: unix_millis().saturating_add(fresh),
            policy,
            status: response.status.as_u16(),
            headers,
            text,
            base64,
            stale_while_revalidate: self
                .window(&response.headers, "stale-while-revalidate")
                .as_secs(),
            stale_if_error: self.window(&response.headers, "stale-if-error").as_secs(),
        })
    }
}

/// Whether the service can be asked if a response is still the right one.
fn validates(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

/// Hop-by-hop headers (RFC 9110, 7.6.1).
fn of_the_connection(name: &HeaderName) -> bool {
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
    .contains(&name.as_str())
}

impl Stored {
    pub(super) fn body(&self) -> Option<Bytes> {
        match (&self.text, &self.base64) {
            (Some(text), _) => Some(Bytes::from(text.clone())),
            (None, Some(base64)) => BASE64.decode(base64).ok().map(Bytes::from),
            (None, None) => None,
        }
    }

    pub(super) fn head(&self) -> Option<http::response::Parts> {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            parts.headers.append(name, HeaderValue::from_str(value).ok()?);
        }
        let age = self.policy.age(now()).as_secs();
        parts.headers.insert(header::AGE, HeaderValue::from(age));
        Some(parts)
    }

    /// Whether it may be served stale, by the window of that name.
    pub(super) fn within(&self, window: impl Fn(&Self) -> u64) -> bool {
        let until = self.fresh_until.saturating_add(window(self).saturating_mul(1000));
        unix_millis() < until
    }

    pub(super) fn may_be_stale_while_revalidating(&self) -> bool {
        self.within(|own| own.stale_while_revalidate)
    }

    pub(super) fn may_be_stale_on_error(&self) -> bool {
        self.within(|own| own.stale_if_error)
    }

    /// How long it is of any use: fresh, stale, or to ask whether it is still the right one.
    fn kept(&self) -> Duration {
        const TO_VALIDATE: Duration = Duration::from_secs(600);
        let fresh = self.policy.time_to_live(now());
        let stale = Duration::from_secs(self.stale_while_revalidate.max(self.stale_if_error));
        let validates =
            self.headers.iter().any(|(name, _)| name == "etag" || name == "last-modified");
        fresh
            .saturating_add(stale.max(if validates { TO_VALIDATE } else { Duration::ZERO }))
            .max(Duration::from_secs(1))
    }
}

/// The variants of a URL with a new one in front, and how long they are of use.
pub(super) fn with_variant(
    mut others: Vec<Stored>,
    new: Stored,
    request: &Parts,
) -> (Vec<Stored>, Duration) {
    others.retain(|other| !is_for(other, request));
    others.insert(0, new);
    others.truncate(VARIANTS);
    let kept = others.iter().map(Stored::kept).max().unwrap_or_default();
    (others, kept)
}

/// Whether a stored response answers a request, fresh or not: `Vary` decides.
pub(super) fn is_for(stored: &Stored, request: &Parts) -> bool {
    use http_cache_semantics::BeforeRequest;
    match stored.policy.before_request(request, now()) {
        BeforeRequest::Fresh(_) => true,
        BeforeRequest::Stale { matches, .. } => matches,
    }
}

/// An entity tag of a body, if the response has none.
pub(super) fn with_etag(headers: &mut HeaderMap, body: &Bytes) {
    if !headers.contains_key(header::ETAG) {
        let hash = blake3::hash(body).to_hex();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", &hash[..32])) {
            headers.insert(header::ETAG, tag);
        }
    }
}

/// Whether the client has this response already (RFC 9110, 13.1.2 and 13.1.3).
pub(super) fn client_has(request: &Parts, response: &HeaderMap) -> bool {
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let text = |headers: &HeaderMap, name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let asked: Vec<String> = request
        .headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| Some(value.to_str().ok()?.split(',').map(weak).collect::<Vec<_>>()))
        .flatten()
        .collect();
    if !asked.is_empty() {
        let own = text(response, header::ETAG).map(|tag| weak(&tag));
        return asked.iter().any(|tag| tag == "*" || Some(tag) == own.as_ref());
    }
    let since = text(&request.headers, header::IF_MODIFIED_SINCE);
    since.is_some() && since == text(response, header::LAST_MODIFIED)
}
