//! A request that the cache sends to the service, the origin.

use std::sync::Arc;

use http::request::Parts;
use http::{Request, StatusCode};

use super::cache_key::CacheKey;
use super::cache_status::{CacheStatus, ForwardReason};
use super::directives::RequestDirectives;
use super::index::StoredResponse;
use super::lookup::LookupResult;
use super::single_flight::CallGuard;
use super::store_right::StoreRight;

/// A forwarded request, and what the cache holds for it.
pub(super) struct OriginRequest {
    pub(super) cache_key: Arc<CacheKey>,
    /// The head of the client's request.
    pub(super) request: Parts,
    pub(super) directives: RequestDirectives,
    pub(super) lookup: LookupResult,
    /// The selected response, which does not answer the request as it is.
    pub(super) selected: Option<Box<StoredResponse>>,
    /// A stored response that is not the current one any more. It is removed if no response is stored.
    pub(super) outdated: Option<Box<StoredResponse>>,
    pub(super) reason: ForwardReason,
    pub(super) guard: Option<StoreRight>,
    pub(super) call_guard: Option<CallGuard>,
    /// The key of the single-flight call: the URL and the values of the headers in `Vary`.
    pub(super) call_key: String,
}

impl OriginRequest {
    pub(super) fn cache_status(&self) -> CacheStatus {
        CacheStatus::forwarded(self.reason)
    }

    /// Derives the key of the call from the last lookup.
    pub(super) fn set_call_key(&mut self) {
        self.call_key = call_key_of(&self.cache_key, &self.lookup, &self.request);
    }
}

/// The key of a request's single-flight call: requests with the same key may wait for each other.
pub(super) fn call_key_of(cache_key: &CacheKey, lookup: &LookupResult, request: &Parts) -> String {
    format!("{} {}", cache_key.index, lookup.index.newest_vary_key(&request.headers))
}

/// Releases the right to store, if it is held.
pub(super) async fn release(guard: Option<StoreRight>) {
    if let Some(guard) = guard {
        guard.release().await;
    }
}

/// A copy of a request's head: the service consumes the original.
pub(super) fn copy_of(request: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method = request.method.clone();
    copy.uri = request.uri.clone();
    copy.version = request.version;
    copy.headers = request.headers.clone();
    copy.extensions = request.extensions.clone();
    copy
}

/// Whether a status is an error in the sense of `stale-if-error` (RFC 5861, 4).
pub(super) fn is_origin_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
