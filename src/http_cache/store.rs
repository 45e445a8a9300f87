//! Stores responses, forgets them, and invalidates what a write has changed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use super::body::StoreBody;
use super::exchange::{Exchange, Found};
use super::request::Place;
use super::rules::Rules;
use super::single_flight::CallGuard;
use super::stored::{Index, Variant, to_store};
use crate::Key;
use crate::cache::StoreGuard;
use crate::platform;

impl Exchange {
    /// Stores a response: its body if it is new, then the index. Three round trips.
    pub(super) async fn store(
        &self,
        place: &Place,
        mut index: Index,
        variant: Variant,
        body: Option<&Bytes>,
        guard: StoreGuard,
    ) -> bool {
        let now = self.options.now();
        let name = variant.body.clone();
        index.put(variant, now);
        let kept = index.kept(now);
        if let Some(key) = place.body(&name).filter(|_| !name.is_empty())
            && !self.store_body(&key, &name, body, kept).await
        {
            guard.release().await;
            return false;
        }
        self.store_index(&index, guard, kept).await
    }

    /// Stores an index; tells whether it did.
    async fn store_index(&self, index: &Index, guard: StoreGuard, kept: u64) -> bool {
        let stored = guard.store_for(index, Duration::from_millis(kept).into()).await;
        stored.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response cannot be stored");
            false
        })
    }

    /// Stores a body for longer than the index that names it.
    async fn store_body(&self, key: &Key, name: &str, body: Option<&Bytes>, kept: u64) -> bool {
        const LONGER: u64 = 60_000;
        let kept = Duration::from_millis(kept.saturating_add(LONGER));
        let stored = async {
            if body.is_none() && self.cache.blobs().keep(key, kept).await? {
                return Ok(true);
            }
            let Some(body) = body.cloned().or_else(|| self.memory.body(name)) else {
                return Ok(false);
            };
            self.cache.blobs().put(key, &body, kept).await?;
            self.memory.put_body(name, &body);
            Ok::<_, crate::Error>(true)
        };
        stored.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "an HTTP response's body cannot be stored");
            false
        })
    }

    /// Forgets a stored response that a newer one has replaced that is not stored.
    pub(super) async fn forget(&self, found: Found, stored: &Variant, guard: Option<StoreGuard>) {
        let Some(guard) = guard else { return };
        let mut index = found.index;
        index.remove(stored);
        let kept = index.kept(self.options.now());
        self.store_index(&index, guard, kept).await;
    }

    /// Invalidates what a successful write has changed (RFC 9111, 4.4).
    pub(super) async fn written(&self, request: &Parts, response: &HeaderMap) {
        let invalidated = async {
            let mut tags = self.options.tags_written_by(request);
            tags.push(self.options.url_tag(request)?);
            for name in [header::LOCATION, header::CONTENT_LOCATION] {
                tags.extend(self.options.named_tag(request, response, name));
            }
            tags.sort_unstable();
            tags.dedup();
            self.cache.invalidate_tags(tags).await?;
            for pattern in self.options.patterns_written_by(request) {
                self.cache.delete_matching(&pattern).await?;
            }
            Ok::<(), crate::Error>(())
        };
        if let Err(error) = invalidated.await {
            tracing::error!(%error, "the HTTP cache still holds what a write has changed");
        }
    }
}

/// A response that is stored when its body has come, and what others wait for until then.
pub(super) struct Storing {
    pub(super) exchange: Exchange,
    pub(super) place: Arc<Place>,
    pub(super) found: Found,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) request: HeaderMap,
    pub(super) rules: Rules,
    /// If the body breaks off, or the client goes away, the guard is dropped, and so released.
    pub(super) guard: Option<StoreGuard>,
    pub(super) call_guard: Option<CallGuard>,
}

impl Storing {
    /// Stores the response once its body is complete.
    pub(super) fn on_end(self) -> StoreBody {
        Box::new(move |body| {
            platform::send(|| async move {
                self.finish(body).await;
            })
        })
    }

    /// Stores the response with its body; tells what was stored.
    pub(super) async fn finish(mut self, body: Bytes) -> (Variant, bool) {
        let headers = to_store(&self.headers, self.exchange.options.now());
        let variant = Variant::new(self.status, &headers, &body, self.rules, &self.request);
        let Some(guard) = self.guard.take() else {
            return (variant, false);
        };
        let index = std::mem::take(&mut self.found.index);
        let stored =
            self.exchange.store(&self.place, index, variant.clone(), Some(&body), guard).await;
        drop(self.call_guard.take());
        (variant, stored)
    }
}
