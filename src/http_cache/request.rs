//! What a request is to the cache.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};

use super::HttpCacheOptions;
use crate::cache::EntryOptions;
use crate::{Key, Result};

/// Headers whose values are secrets: the cache knows a hash of them only.
const SECRET: [header::HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Where a request's response stands in the cache.
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) entry: EntryOptions,
    /// A user's own copy.
    pub(super) private: bool,
    /// The request as policies see it: nothing secret, no condition.
    pub(super) request: Parts,
}

impl HttpCacheOptions {
    /// The place of a request that the cache can answer; `None` for another.
    pub(super) fn place(&self, request: &Parts) -> Option<Place> {
        let reads = matches!(request.method, Method::GET | Method::HEAD);
        if !reads || request.headers.contains_key(header::RANGE) {
            return None;
        }
        let user = self.user_of(request);
        let key = self.key(request, user.as_deref()).ok()?;
        let tags = std::iter::once(self.url_tag(request).ok()?).chain(self.tags_of(request));
        let entry = EntryOptions::new(crate::cache::Ttl::seconds(1)).tags(tags);
        Some(Place { key, entry, private: user.is_some(), request: as_policies_see(request) })
    }

    fn key(&self, request: &Parts, user: Option<&str>) -> Result<Key> {
        // A user by the name of nobody is still somebody.
        let user = user.map_or("-".to_owned(), |user| match user.starts_with('-') {
            true => format!("-{user}"),
            false => user.to_owned(),
        });
        self.keyspace.key([&user, &host(request), path(request)])
    }

    /// The tag of a URL, whoever asks.
    pub(super) fn url_tag(&self, request: &Parts) -> Result<String> {
        Ok(self.keyspace.join([&host(request), path(request)])?.as_str().to_owned())
    }
}

fn host(request: &Parts) -> String {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri.authority().map(|authority| authority.as_str()).or(host);
    host.filter(|host| !host.is_empty()).unwrap_or("-").to_ascii_lowercase()
}

fn path(request: &Parts) -> &str {
    request.uri.path_and_query().map_or("/", |path| path.as_str())
}

fn as_policies_see(request: &Parts) -> Parts {
    let (mut seen, ()) = Request::new(()).into_parts();
    seen.method = Method::GET;
    seen.uri = request.uri.clone();
    seen.headers = request.headers.clone();
    for name in SECRET {
        if let Some(value) = seen.headers.get(&name) {
            let hash = blake3::hash(value.as_bytes()).to_hex();
            if let Ok(hash) = HeaderValue::from_str(&hash) {
                seen.headers.insert(name, hash);
            }
        }
    }
    without_conditions(&mut seen.headers);
    seen
}

/// Conditions are about what the client has; the service is to give the cache a whole response.
pub(super) fn without_conditions(headers: &mut HeaderMap) {
    for name in [
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_MATCH,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
    ] {
        headers.remove(name);
    }
}

/// Whether the client wants no stale response.
pub(super) fn insists(request: &Parts) -> bool {
    let pragma = request.headers.get(header::PRAGMA).is_some_and(|value| value == "no-cache");
    let control = directives(&request.headers);
    let of = |name: &str| control.iter().find(|(own, _)| own == name);
    pragma || of("no-cache").is_some() || of("max-age").is_some_and(|(_, age)| age == "0")
}

/// The directives of `Cache-Control`, in lower case.
pub(super) fn directives(headers: &HeaderMap) -> Vec<(String, String)> {
    let values =
        headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives = values.flat_map(|value| value.split(',')).map(|directive| {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned())
    });
    directives.filter(|(name, _)| !name.is_empty()).collect()
}
