//! What the cache has for a request, and what it keeps of a response.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, header, response};
use http_body::Body;

use super::conditions::Conditions;
use super::request::Place;
use super::rules::{Asked, ForwardReason, RequestDirectives, Rules, Timing, Use};
use super::single_flight::SingleFlight;
use super::stored::{Index, Memory, Variant, merged};
use super::{HttpCacheBody, HttpCacheOptions};
use crate::cache::{Cache, Lookup, StoreGuard, Versions};

/// What was found of a URL.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) index: Index,
    versions: Versions,
    pub(super) reachable: bool,
}

/// How the cache answers a request.
pub(super) enum Decision<B: Body> {
    /// With a stored response.
    Serve(Response<HttpCacheBody<B>>),
    /// With a stored response, while a background request refreshes it.
    ServeAndRefresh(Response<HttpCacheBody<B>>, Box<Found>),
    /// By the service's response. The stored response is validated, or served if the service fails.
    Forward { found: Box<Found>, stored: Option<Box<Variant>>, why: ForwardReason },
}

/// Everything of the cache that an exchange needs.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) cache: Cache,
    pub(super) options: Arc<HttpCacheOptions>,
    pub(super) memory: Arc<Memory>,
    pub(super) single_flight: Arc<SingleFlight>,
}

/// Which tiers of the cache a lookup reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tiers {
    /// This process's first tier too, if the cache has one.
    All,
    Shared,
}

impl Found {
    /// It comes from this process's memory.
    pub(super) fn is_near(&self) -> bool {
        self.reachable && self.versions.is_empty()
    }
}

impl Exchange {
    pub(super) fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        let memory = Arc::new(Memory::new(options.memory));
        Self { cache, options: Arc::new(options), memory, single_flight: Arc::default() }
    }

    /// Looks a URL up. Errors are logged: the application answers all the same.
    pub(super) async fn find(&self, place: &Place, tiers: Tiers) -> Found {
        let options = place.entry.clone().into();
        let looked = match tiers {
            Tiers::All => self.cache.find(&place.key, &options).await,
            Tiers::Shared => self.cache.lookup(&place.key, &options).await,
        };
        let (found, versions) = looked.unwrap_or_else(|error| {
            tracing::warn!(%error, "the HTTP cache cannot be read");
            (Lookup::Unavailable, Versions::new())
        });
        let reachable = !matches!(found, Lookup::Unavailable);
        Found { index: found.found().unwrap_or_default(), versions, reachable }
    }

    /// What is to be done about a request, by what the cache has.
    pub(super) async fn judge<B: Body<Data = Bytes>>(
        &self,
        found: Found,
        place: &Place,
        client: &Parts,
        directives: &RequestDirectives,
    ) -> Decision<B> {
        let now = self.options.now();
        let ask = |found, stored: Option<Variant>, why| Decision::Forward {
            found: Box::new(found),
            stored: stored.map(Box::new),
            why,
        };
        let Some(variant) = found.index.select(&client.headers) else {
            let why = match found.index.variants.is_empty() {
                true => ForwardReason::UriMiss,
                false => ForwardReason::VaryMiss,
            };
            return ask(found, None, why);
        };
        let used = variant.rules.judge(directives, now);
        let how = |detail: Option<&str>| {
            let ttl = variant.rules.time_left(now).div_euclid(1000);
            let detail = detail.map(|detail| format!("; detail={detail}")).unwrap_or_default();
            format!("hit; ttl={ttl}{detail}")
        };
        let (how, refresh) = match used {
            Use::Serve { detail } => (how(detail), false),
            Use::ServeAndRefresh => (how(Some("stale")), true),
            Use::Forward(why) => {
                let stored = variant.clone();
                return ask(found, Some(stored), why);
            }
        };
        match self.serve(variant, place, client, how).await {
            Some(answer) if refresh => Decision::ServeAndRefresh(answer, Box::new(found)),
            Some(answer) => Decision::Serve(answer),
            // Its body is gone.
            None => ask(found, None, ForwardReason::Miss),
        }
    }

    /// The right to store the response to a request that is made now, also in the place of another request.
    pub(super) async fn guard(&self, place: &Place, found: &Found) -> Option<StoreGuard> {
        if !found.reachable {
            return None;
        }
        let (key, entry, versions) = (&place.key, place.entry.clone(), &found.versions);
        logged(self.cache.begin_store_knowing(key, entry, versions).await)
    }

    /// As [`Exchange::guard`], if nobody else has it.
    pub(super) async fn try_guard(&self, place: &Place, found: &Found) -> Option<StoreGuard> {
        if !found.reachable {
            return None;
        }
        let (key, entry, versions) = (&place.key, place.entry.clone(), &found.versions);
        logged(self.cache.try_begin_store_knowing(key, entry, versions).await)
    }

    /// The headers of a request that asks whether a stored response is still the right one (RFC 9111, 4.3.1). `None`: it
    /// has nothing to ask by.
    pub(super) fn conditional(&self, client: &HeaderMap, stored: &Variant) -> Option<HeaderMap> {
        let known = stored.headers(&self.memory);
        let mut headers = client.clone();
        headers.remove(header::IF_NONE_MATCH);
        headers.remove(header::IF_MODIFIED_SINCE);
        for (condition, validator) in [
            (header::IF_NONE_MATCH, header::ETAG),
            (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED),
        ] {
            if let Some(value) = known.get(validator) {
                headers.insert(condition, value.clone());
            }
        }
        super::rules::validates(&known).then_some(headers)
    }

    /// What is stored of a whole response; `None`: nothing.
    pub(super) fn rules(
        &self,
        client: &Parts,
        place: &Place,
        head: &mut response::Parts,
        timing: Timing,
    ) -> Option<Rules> {
        self.options.rules(Asked { head: client, private: place.private }, head, timing)
    }

    /// The stored response after a 304 (RFC 9111, 4.3.4), and what its client gets; `None`: it is another one that the
    /// service means.
    pub(super) fn freshened(
        &self,
        stored: &Variant,
        update: &response::Parts,
    ) -> Option<HeaderMap> {
        let known = stored.headers(&self.memory);
        let conditions = Conditions { known: &known, update: &update.headers };
        conditions.select().then(|| merged(&known, &update.headers, self.options.now()))
    }
}

fn logged(guard: crate::Result<Option<StoreGuard>>) -> Option<StoreGuard> {
    guard.unwrap_or_else(|error| {
        tracing::warn!(%error, "the HTTP cache cannot be written");
        None
    })
}

/// Whether a status says that the service is in trouble (RFC 5861, 4).
pub(super) fn in_trouble(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
