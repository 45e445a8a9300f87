//! Is a stored response still the current one (RFC 9111, 4.3)?

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header, response};
use http_body::Body;

use super::HttpCacheBody;
use super::core::Core;
use super::fields::{self, strongly_equal, weakly_equal};
use super::freshness::{Freshness, ResponseTimes};
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
        return tag(stored).is_some_and(|stored| match new.starts_with("W/") {
            true => weakly_equal(&stored, &new),
            false => strongly_equal(&stored, &new),
        });
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
        let (mut head, freshness, freshened) =
            self.updated_response(origin, stored, &update.headers, times);
        // A cookie is for this client alone, so it is not stored.
        for cookie in update.headers.get_all(header::SET_COOKIE) {
            head.headers.append(header::SET_COOKIE, cookie.clone());
        }
        let status = origin.cache_status().forward_status(Some(StatusCode::NOT_MODIFIED));
        let (cache_key, request) = (&origin.cache_key, &origin.request);
        let response = self.respond(head, &freshened, cache_key, request, status).await?;
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

    /// The stored response after an update by the headers of a newer response (RFC 9111, 3.2): its head, its freshness if it
    /// may be stored, and its stored form.
    fn updated_response(
        &self,
        origin: &OriginRequest,
        stored: &StoredResponse,
        update: &HeaderMap,
        times: ResponseTimes,
    ) -> (response::Parts, Option<Freshness>, StoredResponse) {
        let headers = updated(&stored.headers(&self.memory), update, self.options.now());
        let mut head = head_of(stored.status(), headers);
        // The age is that of the newer response.
        if let Some(age) = update.get(header::AGE) {
            head.headers.insert(header::AGE, age.clone());
        }
        let private = origin.cache_key.private;
        let freshness = self.options.freshness_of(&origin.request, private, &mut head, times);
        head.headers.remove(header::AGE);
        let response = StoredResponse::with_body_name(
            stored.status(),
            &head.headers,
            stored.body.clone(),
            stored.length,
            freshness.unwrap_or(stored.freshness),
            &origin.request.headers,
        );
        (head, freshness, response)
    }

    /// Updates the selected response by the response to a HEAD, or removes it if that is another one (RFC 9111, 4.3.5). A
    /// response without a validator does not tell whether the body is still the same, and changes nothing.
    pub(super) async fn compare_with_head(
        &self,
        origin: &mut OriginRequest,
        head: &response::Parts,
        times: ResponseTimes,
    ) {
        let Some(selected) = origin.selected.take().filter(|_| head.status == StatusCode::OK)
        else {
            return;
        };
        let (index, guard) = (origin.lookup.index.clone(), origin.guard.take());
        let Some(guard) = guard else { return };
        let stored = selected.headers(&self.memory);
        let is_same = |name: HeaderName| {
            head.headers
                .get(&name)
                .is_none_or(|new| stored.get(&name).is_some_and(|old| old == new))
        };
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        let is_current = selected.status() == head.status
            && is_same(header::ETAG)
            && is_same(header::LAST_MODIFIED)
            && length.is_none_or(|length: u64| length == selected.length);
        if is_current && !has_validator(&head.headers) {
            return guard.release().await;
        }
        let (_, freshness, updated) =
            self.updated_response(origin, &selected, &head.headers, times);
        match freshness.filter(|_| is_current) {
            Some(_) => drop(self.store(&origin.cache_key, index, updated, None, guard).await),
            None => self.remove(&origin.cache_key, index, &selected, Some(guard)).await,
        }
    }
}
