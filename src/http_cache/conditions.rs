//! Conditional requests of clients (RFC 9110, 13; RFC 9111, 4.3.2).

use http::{HeaderMap, header};

use super::fields::{self, weakly_equal};

/// Whether the request's conditions make the response a 304 (RFC 9110, 13.1.2 and 13.1.3; RFC 9111, 4.3.2). A response
/// without any date counts as modified at `response_time`, in Unix milliseconds.
pub(super) fn is_not_modified(
    request: &HeaderMap,
    response: &HeaderMap,
    response_time: u64,
) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let own = response.get(header::ETAG).map(fields::text);
        let mut tags = fields::entity_tags(request, header::IF_NONE_MATCH).into_iter();
        return tags.any(|tag| {
            tag == "*" || own.as_ref().is_some_and(|own| weakly_equal(own.trim(), &tag))
        });
    }
    let Some(since) = fields::date(request, header::IF_MODIFIED_SINCE) else {
        return false;
    };
    let modified = fields::date(response, header::LAST_MODIFIED)
        .or_else(|| fields::date(response, header::DATE))
        .unwrap_or(response_time / 1000);
    modified <= since
}

/// Whether the request's `If-None-Match` names the response's entity tag, other than by `*`.
pub(super) fn names_entity_tag(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(own) = response.get(header::ETAG).map(fields::text) else { return false };
    let tags = fields::entity_tags(request, header::IF_NONE_MATCH);
    tags.iter().any(|tag| weakly_equal(own.trim(), tag))
}

/// Whether the request has a condition that a 304 can answer.
pub(super) fn is_conditional(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_NONE_MATCH) || request.contains_key(header::IF_MODIFIED_SINCE)
}
