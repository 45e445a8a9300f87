//! May a response be stored, and for how long is it fresh (RFC 9111, 3 and 4.2; RFC 9213)?

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, header, response};

use super::HttpCacheOptions;
use super::directives::Directives;
use super::fields;
use super::freshness::{Freshness, ResponseTimes, initial_age};
use super::validation::has_validator;

/// The longest heuristic freshness lifetime, in seconds: a day. RFC 9111, 4.2.2 asks for care with a longer one.
const MAX_HEURISTIC: u64 = 24 * 3600;

impl HttpCacheOptions {
    /// The freshness of a response to a GET. `None`: the response is not stored (RFC 9111, 3). A response without
    /// `Cache-Control` gets one if the options have a [`ttl`](HttpCacheOptions::ttl). `private`: the copy is for one user.
    ///
    /// Stricter than the RFC: a response with `Set-Cookie` is never stored, and `no-cache` and `private` with names of fields
    /// count as without them (RFC 9111, 5.2.2.4 and 5.2.2.7, allow that).
    pub(super) fn freshness_of(
        &self,
        request: &Parts,
        private: bool,
        response: &mut response::Parts,
        times: ResponseTimes,
    ) -> Option<Freshness> {
        let status = response.status;
        if status.is_informational()
            || matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED)
        {
            return None;
        }
        self.set_default_ttl(request, private, response);
        let headers = &response.headers;
        if headers.contains_key(header::SET_COOKIE)
            || headers.contains_key(header::CONTENT_RANGE)
            || varies_on_all(headers)
            || is_event_stream(headers)
        {
            return None;
        }
        let (directives, targeted) = self.directives_of(headers);
        // RFC 9111, 5.2.2.3: a cache that understands the status code ignores `no-store` beside `must-understand`.
        let understood = directives.has("must-understand").then(|| is_understood(status));
        if understood == Some(false) || (directives.has("no-store") && understood != Some(true)) {
            return None;
        }
        let public = directives.has("public");
        let s_maxage = directives.seconds("s-maxage").filter(|_| !private);
        if !private {
            // RFC 9111, 3.5.
            let allows_authorization =
                public || s_maxage.is_some() || directives.has("must-revalidate");
            let authorized = request.headers.contains_key(header::AUTHORIZATION);
            if directives.has("private") || (authorized && !allows_authorization) {
                return None;
            }
        }
        let date = fields::date(headers, header::DATE).unwrap_or(times.response / 1000);
        let max_age = s_maxage.or_else(|| directives.seconds("max-age"));
        let expires = || {
            if targeted || !headers.contains_key(header::EXPIRES) {
                return None;
            }
            // An invalid date is in the past (RFC 9111, 5.3).
            let expires = fields::date(headers, header::EXPIRES).unwrap_or(0);
            Some(expires.saturating_sub(date))
        };
        let explicit = max_age.or_else(expires);
        let is_marked = explicit.is_some() || public || (private && directives.has("private"));
        if !is_marked && !is_heuristically_cacheable(status) {
            return None;
        }
        // RFC 9111, 4.2.2.
        let heuristic = || {
            let modified = fields::date(headers, header::LAST_MODIFIED)?;
            (is_heuristically_cacheable(status) || public)
                .then(|| (date.saturating_sub(modified) / 10).min(MAX_HEURISTIC))
        };
        let no_cache = directives.has("no-cache");
        let lifetime = match no_cache {
            true => 0,
            false => explicit.or_else(heuristic).unwrap_or(0),
        };
        let must_revalidate = directives.has("must-revalidate")
            || (directives.has("proxy-revalidate") && !private)
            || no_cache;
        // An explicit window in the response outweighs what `s-maxage` implies (RFC 9111, 5.2.2.10). The options' defaults
        // count only where the response has no window.
        let window = |name: &str, default: Duration| match directives.seconds(name) {
            _ if must_revalidate => 0,
            Some(seconds) => seconds.saturating_mul(1000),
            None => default.as_millis() as u64,
        };
        let freshness = Freshness {
            response_time: times.response,
            initial_age: initial_age(headers, times),
            lifetime: lifetime.saturating_mul(1000),
            stale_while_revalidate: window("stale-while-revalidate", self.stale_while_revalidate),
            stale_if_error: window("stale-if-error", self.stale_if_error),
            ignores_client_staleness: must_revalidate || s_maxage.is_some(),
        };
        let is_reusable = freshness.is_fresh(times.response)
            || freshness.stale_while_revalidate > 0
            || has_validator(headers);
        is_reusable.then_some(freshness)
    }

    /// The directives that count for this cache, and whether they stand in a targeted field (RFC 9213, 2.2).
    fn directives_of(&self, headers: &HeaderMap) -> (Directives, bool) {
        for name in &self.targeted {
            let directives = Directives::of(headers, name);
            if !directives.is_empty() {
                return (directives, true);
            }
        }
        (Directives::of(headers, header::CACHE_CONTROL), false)
    }

    /// Gives a response without cache directives the time to live of the options. The response to a request with a cookie
    /// gets it only if it is one user's copy: it may depend on the session.
    fn set_default_ttl(&self, request: &Parts, private: bool, response: &mut response::Parts) {
        let Some(ttl) = self.ttl else { return };
        let headers = &mut response.headers;
        let may_be_shared = private || !request.headers.contains_key(header::COOKIE);
        let names = [header::CACHE_CONTROL, header::EXPIRES, header::PRAGMA];
        let has_directives =
            names.iter().chain(&self.targeted).any(|name| headers.contains_key(name));
        if !has_directives
            && may_be_shared
            && response.status.is_success()
            && !is_event_stream(headers)
        {
            let scope = if private { "private, " } else { "" };
            let value = format!("{scope}max-age={}", ttl.as_secs());
            if let Ok(value) = value.try_into() {
                headers.insert(header::CACHE_CONTROL, value);
            }
        }
    }
}

/// Whether a status code is heuristically cacheable (RFC 9110, 15.1). 206 is not among them here.
fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether the cache understands a status code, for `must-understand` (RFC 9111, 5.2.2.3).
fn is_understood(status: StatusCode) -> bool {
    is_heuristically_cacheable(status) || matches!(status.as_u16(), 302 | 303 | 307)
}

/// Whether a response is a stream of server-sent events, which has no end.
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = fields::text(value);
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}

/// Whether `Vary` has the member `*`, or one that is not a name: by what the response differs is not known then.
fn varies_on_all(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::VARY).iter();
    lines.map(fields::text).any(|line| {
        let mut names = line.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.any(|name| name == "*" || name.parse::<HeaderName>().is_err())
    })
}
