//! A request on its way to the service.

use std::sync::Arc;

use http::Request;
use http::request::Parts;

use super::exchange::Found;
use super::request::Place;
use super::rules::{ForwardReason, RequestDirectives};
use super::single_flight::CallGuard;
use super::stored::Variant;
use crate::cache::StoreGuard;

/// A request that is sent to the service (the origin), and what the cache has for it.
pub(super) struct OriginRequest {
    pub(super) place: Arc<Place>,
    pub(super) client: Parts,
    pub(super) directives: RequestDirectives,
    pub(super) found: Found,
    pub(super) stored: Option<Box<Variant>>,
    pub(super) why: ForwardReason,
    pub(super) guard: Option<StoreGuard>,
    pub(super) call_guard: Option<CallGuard>,
    /// The key of the single-flight call: the URL and the values of the headers in `Vary`.
    pub(super) call: String,
}

impl OriginRequest {
    /// What the cache did, in the terms of RFC 9211.
    pub(super) fn how(&self, more: &str) -> String {
        format!("fwd={}{more}", self.why.name())
    }

    /// Sets the key of the call by what was found last.
    pub(super) fn set_call(&mut self) {
        self.call = call_of(&self.place, &self.found, &self.client);
    }
}

/// The key of a request's single-flight call: requests with the same key may wait for each other.
pub(super) fn call_of(place: &Place, found: &Found, client: &Parts) -> String {
    format!("{} {}", place.key, found.index.selection(&client.headers))
}

/// Releases the right to store, where there is one.
pub(super) async fn release(guard: Option<StoreGuard>) {
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
