//! Is a stored response still the current one (RFC 9111, 4.3)?

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body::Body;

use super::HttpCacheBody;
use super::core::Core;
use super::fields::{self, weakly_equal};
use super::freshness::ResponseTimes;
use super::index::StoredResponse;
use super::origin_request::OriginRequest;
use super::respond::head_of;
use super::stored_headers::updated;

/// Whether a response has a validator, by which it can be validated.
pub(super) fn has_validator(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

/// Whether a 304 selects the stored response for update (RFC 9111, 4.3.4). A 304 without validators does: the request was
/// about this response only.
fn selects_for_update(stored: &HeaderMap, update: &HeaderMap) -> bool {
    let tag = |headers: &HeaderMap| {
        headers.get(header::ETAG).map(|tag| fields::text(tag).trim().to_owned())
    };
    if let Some(new) = tag(update) {
        return tag(stored).is_none_or(|stored| weakly_equal(&stored, &new));
    }
    let modified = |headers| fields::date(headers, header::LAST_MODIFIED);
    match (modified(stored), modified(update)) {
        (Some(stored), Some(new)) => stored == new,
        _ => true,
    }
}

impl Core {
    /// The headers of a validation request (RFC 9111, 4.3.1). `None`: the stored response has no validator.
    pub(super) fn validation_headers(
        &self,
        request: &HeaderMap,
        stored: &StoredResponse,
    ) -> Option<HeaderMap> {
        let stored = stored.headers(&self.memory);
        let mut headers = request.clone();
        headers.remove(header::IF_NONE_MATCH);
        headers.remove(header::IF_MODIFIED_SINCE);
        for (condition, validator) in [
            (header::IF_NONE_MATCH, header::ETAG),
            (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED),
        ] {
            if let Some(value) = stored.get(validator) {
                headers.insert(condition, value.clone());
            }
        }
        has_validator(&stored).then_some(headers)
    }

    /// Freshens the stored response by a 304 to the cache's own validation request (RFC 9111, 4.3.4), and returns the client's
    /// response. `None`: the 304 does not select the stored response, or its body is gone.
    pub(super) async fn freshen<ResBody: Body<Data = Bytes>>(
        &self,
        origin: &mut OriginRequest,
        stored: &StoredResponse,
        not_modified: Response<ResBody>,
        times: ResponseTimes,
    ) -> Option<Response<HttpCacheBody<ResBody>>> {
        let (update, _) = not_modified.into_parts();
        let stored_headers = stored.headers(&self.memory);
        if !selects_for_update(&stored_headers, &update.headers) {
            return None;
        }
        let headers = updated(&stored_headers, &update.headers, self.options.now());
        let mut head = head_of(stored.status(), headers);
        // The age is that of the 304.
        if let Some(age) = update.headers.get(header::AGE) {
            head.headers.insert(header::AGE, age.clone());
        }
        let freshness =
            self.options.freshness_of(&origin.request, origin.cache_key.private, &mut head, times);
        head.headers.remove(header::AGE);
        let freshened = StoredResponse::with_body_name(
            stored.status(),
            &head.headers,
            stored.body.clone(),
            stored.length,
            freshness.unwrap_or(stored.freshness),
            &origin.request.headers,
        );
        // A cookie is for this client alone, so it is not stored.
        for cookie in update.headers.get_all(header::SET_COOKIE) {
            head.headers.append(header::SET_COOKIE, cookie.clone());
        }
        let status = origin.cache_status().forward_status(Some(StatusCode::NOT_MODIFIED));
        let (cache_key, request) = (&origin.cache_key, &origin.request);
        let response = self.respond(head, &freshened, cache_key, request, status, None).await?;
        let index = origin.lookup.index.clone();
        match (freshness, origin.guard.take()) {
            (Some(freshness), Some(guard)) => {
                if freshness.is_fresh(times.response) {
                    self.single_flight.clear_hit_for_miss(&origin.call_key);
                } else {
                    self.set_hit_for_miss(origin, times.response, false);
                }
                self.store(&origin.cache_key, index, freshened, None, guard).await;
            }
            (None, guard) => self.remove(&origin.cache_key, index, stored, guard).await,
            (Some(_), None) => {}
        }
        Some(response)
    }

    /// Removes the selected response if the response to a HEAD differs from it (RFC 9111, 4.3.5).
    pub(super) async fn compare_with_head(
        &self,
        origin: &mut OriginRequest,
        headers: &HeaderMap,
        status: StatusCode,
    ) {
        let Some(selected) = origin.selected.take().filter(|_| status == StatusCode::OK) else {
            return;
        };
        let stored = selected.headers(&self.memory);
        let differs = |name: HeaderName| {
            headers.get(&name).is_some_and(|new| stored.get(&name).is_none_or(|old| old != new))
        };
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if differs(header::ETAG)
            || differs(header::LAST_MODIFIED)
            || length.is_some_and(|length: u64| length != selected.length)
        {
            let (index, guard) = (origin.lookup.index.clone(), origin.guard.take());
            self.remove(&origin.cache_key, index, &selected, guard).await;
        }
    }
}
