//! Which requests may the cache answer, and which change something (RFC 9110, 9.2; RFC 9111, 4)?

use http::request::Parts;
use http::{HeaderName, Method, header};

use super::cache_status::ForwardReason;
use super::fields;

/// Headers that override the method of a request.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Whether the method of a request is not safe (RFC 9110, 9.2.1): its own, or one that a header overrides it with.
pub(super) fn is_unsafe(request: &Parts) -> bool {
    let safe = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY");
    let overrides = METHOD_OVERRIDES.into_iter().filter_map(|name| request.headers.get(name));
    let mut overrides = overrides.map(|value| fields::text(value).trim().to_ascii_uppercase());
    !safe(request.method.as_str()) || overrides.any(|method| !safe(&method))
}

/// Whether a request bypasses the cache: its response depends on more than the URL and the headers that `Vary` can name, so
/// it must not answer other requests.
fn must_bypass(request: &Parts, has_body: bool) -> bool {
    let headers = &request.headers;
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    let authority = request.uri.authority().map(|authority| authority.as_str());
    let two_hosts = hosts.next().is_some()
        || host.zip(authority).is_some_and(|(host, authority)| {
            !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
        });
    has_body
        || length
        || two_hosts
        || headers.contains_key(header::TRANSFER_ENCODING)
        || headers.contains_key(header::UPGRADE)
        || METHOD_OVERRIDES.iter().any(|name| headers.contains_key(name))
        // Only the application can evaluate these (RFC 9111, 4.3.2).
        || headers.contains_key(header::IF_MATCH)
        || headers.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// Why a request is forwarded without a lookup, if it is.
pub(super) fn reason_to_forward(request: &Parts, has_body: bool) -> Option<ForwardReason> {
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Some(ForwardReason::Method);
    }
    must_bypass(request, has_body).then_some(ForwardReason::Bypass)
}
