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
use super::origin_request::{OriginRequest, release};
use super::single_flight::CallGuard;
use super::store_right::StoreRight;
use super::stored_headers::storable;
use crate::{Key, platform};

impl Core {
    /// Stores a response: its body if it is new, then the index.
    pub(super) async fn store(
        &self,
        cache_key: &CacheKey,
        index: Index,
        response: StoredResponse,
        body: Option<&Bytes>,
        right: StoreRight,
    ) -> bool {
        let now = self.options.now();
        let name = response.body.clone();
        let retention = response.freshness.retention(now).max(index.retention(now));
        if let Some(key) = cache_key.body(&name).filter(|_| !name.is_empty())
            && !right.while_held(self.store_body(&key, &name, body, retention)).await
        {
            right.release().await;
            return false;
        }
        self.commit(cache_key, index, right, |index| index.put(response.clone(), now)).await
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
        const LARGE: usize = 64 << 10;
        let retention = Duration::from_millis(retention.saturating_add(LONGER));
        let stored = async {
            if body.is_none() && self.cache.blobs().keep(key, retention).await? {
                return Ok(true);
            }
            let Some(body) = body.cloned().or_else(|| self.memory.body(name)) else {
                return Ok(false);
            };
            // Where requests may wait for each other, few large bodies are copied at the same time.
            let _permit = match body.len() > LARGE && platform::shares_futures() {
                true => Some(self.large_writes.acquire().await),
                false => None,
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
        cache_key: &CacheKey,
        index: Index,
        stored: &StoredResponse,
        right: Option<StoreRight>,
    ) {
        if let Some(right) = right {
            self.commit(cache_key, index, right, |index| index.remove(stored)).await;
        }
    }

    /// Gives up the right to store the response to a request: nothing is stored. The stored response that is outdated is removed.
    pub(super) async fn store_nothing(&self, origin: &mut OriginRequest) {
        match (origin.outdated.take(), origin.guard.take()) {
            (Some(outdated), guard @ Some(_)) => {
                let index = origin.lookup.index.clone();
                self.remove(&origin.cache_key, index, &outdated, guard).await;
            }
            (_, guard) => release(guard).await,
        }
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
    pub(super) guard: Option<StoreRight>,
    pub(super) call_guard: Option<CallGuard>,
}

impl PendingStore {
    /// The function that a body calls when it is complete.
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
