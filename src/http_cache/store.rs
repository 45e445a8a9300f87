//! Stores responses, removes them, and invalidates what a write has changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use super::body::StoreBody;
use super::cache_key::CacheKey;
use super::core::Core;
use super::freshness::Freshness;
use super::index::{Index, StoredResponse};
use super::lookup::LookupResult;
use super::single_flight::CallGuard;
use super::stored_headers::storable;
use crate::cache::{IfHeld, StoreGuard};
use crate::{Key, platform};

impl Core {
    /// Takes the right to store the response to a request that is sent from now on.
    pub(super) async fn begin_store(
        &self,
        cache_key: &CacheKey,
        lookup: &LookupResult,
        if_held: IfHeld,
    ) -> Option<StoreGuard> {
        if !lookup.reachable {
            return None;
        }
        let entry = cache_key.entry.clone();
        let guard = self.cache.store_guard(&cache_key.index, entry, &lookup.versions, if_held);
        guard.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be written");
            None
        })
    }

    /// Stores a response: its body if it is new, then the index. Three round trips.
    pub(super) async fn store(
        &self,
        cache_key: &CacheKey,
        mut index: Index,
        response: StoredResponse,
        body: Option<&Bytes>,
        guard: StoreGuard,
    ) -> bool {
        let now = self.options.now();
        let name = response.body.clone();
        index.put(response, now);
        let retention = index.retention(now);
        if let Some(key) = cache_key.body(&name).filter(|_| !name.is_empty())
            && !self.store_body(&key, &name, body, retention).await
        {
            guard.release().await;
            return false;
        }
        self.store_index(&index, guard, retention).await
    }

    /// Stores an index for this many milliseconds. Returns whether it was stored.
    async fn store_index(&self, index: &Index, guard: StoreGuard, retention: u64) -> bool {
        let stored = guard.store_for(index, Duration::from_millis(retention).into()).await;
        stored.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response cannot be stored");
            false
        })
    }

    /// Stores a body for longer than the index that names it.
    async fn store_body(
        &self,
        key: &Key,
        name: &str,
        body: Option<&Bytes>,
        retention: u64,
    ) -> bool {
        const LONGER: u64 = 60_000;
        let retention = Duration::from_millis(retention.saturating_add(LONGER));
        let stored = async {
            if body.is_none() && self.cache.blobs().keep(key, retention).await? {
                return Ok(true);
            }
            let Some(body) = body.cloned().or_else(|| self.memory.body(name)) else {
                return Ok(false);
            };
            self.cache.blobs().put(key, &body, retention).await?;
            self.memory.put_body(name, &body);
            Ok::<_, crate::Error>(true)
        };
        stored.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response's body cannot be stored");
            false
        })
    }

    /// Removes a stored response from the index: the current response is not stored.
    pub(super) async fn remove(
        &self,
        mut index: Index,
        stored: &StoredResponse,
        guard: Option<StoreGuard>,
    ) {
        let Some(guard) = guard else { return };
        index.remove(stored);
        let retention = index.retention(self.options.now());
        self.store_index(&index, guard, retention).await;
    }

    /// Invalidates what a successful unsafe request has changed (RFC 9111, 4.4).
    pub(super) async fn invalidate_changed(&self, request: &Parts, response: &HeaderMap) {
        let invalidated = async {
            let mut tags = self.options.invalidated_tags(request);
            tags.push(self.options.url_tag(request)?);
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                tags.extend(self.options.referenced_url_tag(request, response, name));
            }
            tags.sort_unstable();
            tags.dedup();
            self.cache.invalidate_tags(tags).await?;
            for pattern in self.options.invalidated_patterns(request) {
                self.cache.delete_matching(&pattern).await?;
            }
            Ok::<(), crate::Error>(())
        };
        if let Err(error) = invalidated.await {
            tracing::error!(%error, "the HTTP cache still holds what a write has changed");
        }
    }
}

/// A response that is stored once its body is complete. Other requests wait for it until then.
pub(super) struct PendingStore {
    pub(super) core: Core,
    pub(super) cache_key: Arc<CacheKey>,
    pub(super) index: Index,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The headers of the request.
    pub(super) request: HeaderMap,
    pub(super) freshness: Freshness,
    /// Dropped, and so released, if the body breaks off or the client goes away.
    pub(super) guard: Option<StoreGuard>,
    pub(super) call_guard: Option<CallGuard>,
}

impl PendingStore {
    /// What a body calls when it is complete.
    pub(super) fn on_complete(self) -> StoreBody {
        Box::new(move |body| {
            platform::send(|| async move {
                self.complete(body).await;
            })
        })
    }

    /// Stores the response with its body. Returns the response in its stored form, which is not stored without a guard.
    pub(super) async fn complete(mut self, body: Bytes) -> StoredResponse {
        let headers = storable(&self.headers, self.core.options.now());
        let response =
            StoredResponse::new(self.status, &headers, &body, self.freshness, &self.request);
        if let Some(guard) = self.guard.take() {
            let index = std::mem::take(&mut self.index);
            self.core.store(&self.cache_key, index, response.clone(), Some(&body), guard).await;
            drop(self.call_guard.take());
        }
        response
    }
}
