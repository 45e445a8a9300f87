//! Does a stored response answer the request (RFC 9111, 4)?

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::Body;

use super::HttpCacheBody;
use super::cache_key::CacheKey;
use super::cache_status::{CacheStatus, ForwardReason};
use super::core::Core;
use super::directives::RequestDirectives;
use super::freshness::Reuse;
use super::index::{Index, StoredResponse};
use crate::cache::{Lookup, Versions};

/// What the cache holds for a URL.
#[derive(Clone)]
pub(super) struct LookupResult {
    pub(super) index: Index,
    /// The versions of the tags that were read with the index.
    pub(super) versions: Versions,
    /// Whether Redis answered.
    pub(super) reachable: bool,
}

/// How the cache answers a request.
pub(super) enum Decision<B: Body> {
    /// A stored response answers.
    Serve(Response<HttpCacheBody<B>>),
    /// A stored response answers, and is revalidated in the background.
    ServeAndRevalidate(Response<HttpCacheBody<B>>, Box<LookupResult>),
    /// The service answers. `selected` is the selected response: it is validated, or served if the service fails.
    Forward {
        lookup: Box<LookupResult>,
        selected: Option<Box<StoredResponse>>,
        reason: ForwardReason,
    },
}

/// Which tiers of the cache a lookup reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tiers {
    /// The first tier, in this process, and the shared ones.
    All,
    /// Only the tiers that processes share.
    Shared,
}

impl LookupResult {
    /// Whether the index comes from the first tier, in this process.
    pub(super) fn is_from_first_tier(&self) -> bool {
        self.reachable && self.versions.is_empty()
    }
}

impl Core {
    /// Looks a URL up. An error is logged and counts as a miss: the service answers then.
    pub(super) async fn look_up(&self, cache_key: &CacheKey, tiers: Tiers) -> LookupResult {
        let options = cache_key.entry.clone().into();
        let result = match tiers {
            Tiers::All => self.cache.find(&cache_key.index, &options).await,
            Tiers::Shared => self.cache.lookup(&cache_key.index, &options).await,
        };
        let (entry, versions) = result.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be read");
            (Lookup::Unavailable, Versions::new())
        });
        let reachable = !matches!(entry, Lookup::Unavailable);
        LookupResult { index: entry.found().unwrap_or_default(), versions, reachable }
    }

    /// Selects a stored response, and decides whether it answers the request.
    pub(super) async fn decide<B: Body<Data = Bytes>>(
        &self,
        lookup: LookupResult,
        cache_key: &CacheKey,
        request: &Parts,
        directives: &RequestDirectives,
    ) -> Decision<B> {
        let now = self.options.now();
        let forward = |lookup, selected: Option<StoredResponse>, reason| Decision::Forward {
            lookup: Box::new(lookup),
            selected: selected.map(Box::new),
            reason,
        };
        let Some(selected) = lookup.index.select(&request.headers) else {
            let reason = match lookup.index.responses.is_empty() {
                true => ForwardReason::UriMiss,
                false => ForwardReason::VaryMiss,
            };
            return forward(lookup, None, reason);
        };
        let (detail, revalidate) = match selected.freshness.reuse(directives, now) {
            Reuse::Serve { detail } => (detail, false),
            Reuse::ServeAndRevalidate => (Some("stale"), true),
            Reuse::Forward(reason) => {
                let selected = selected.clone();
                return forward(lookup, Some(selected), reason);
            }
        };
        let status = CacheStatus::hit(selected.freshness.time_left(now), detail);
        match self.serve(selected, cache_key, request, status).await {
            Some(response) if revalidate => {
                Decision::ServeAndRevalidate(response, Box::new(lookup))
            }
            Some(response) => Decision::Serve(response),
            // Its body is gone.
            None => forward(lookup, None, ForwardReason::Miss),
        }
    }
}
