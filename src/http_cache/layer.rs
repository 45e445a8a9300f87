use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::cache_key::CacheKey;
use super::cache_status::{CacheStatus, ForwardReason};
use super::core::Core;
use super::directives::RequestDirectives;
use super::lookup::{Decision, Tiers};
use super::origin_request::{OriginRequest, call_key_of, copy_of};
use super::request::{is_unsafe, reason_to_forward};
use super::respond::{generated_response, with_cache_status};
use super::{HttpCacheBody, HttpCacheOptions};
use crate::cache::{Cache, IfHeld};
use crate::platform::{self, BoxFuture, MaybeSend};

/// Answers requests from the cache, and stores the responses of the service: a [`tower_layer::Layer`].
#[derive(Clone)]
pub struct HttpCache(Core);

impl HttpCache {
    /// A layer over this cache. In a Worker, give the cache a request's
    /// [`wait_until`](Cache::wait_until) if stale responses are to be revalidated in the background.
    ///
    /// The services of one layer share the memory of this process, and wait for each other's requests. So make one layer, and
    /// clone it.
    pub fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        Self(Core::new(cache, options))
    }
}

impl fmt::Debug for HttpCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCache")
            .field("cache", &self.0.cache)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HttpCache {
    type Service = HttpCacheService<S>;

    fn layer(&self, inner: S) -> HttpCacheService<S> {
        HttpCacheService { layer: self.clone(), inner }
    }
}

/// A service with the cache in front of it.
#[derive(Debug, Clone)]
pub struct HttpCacheService<S> {
    layer: HttpCache,
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpCacheService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
    S::Future: MaybeSend,
    S::Error: MaybeSend,
    ReqBody: Body + Default + MaybeSend + 'static,
    ResBody: Body<Data = Bytes> + MaybeSend + 'static,
    ResBody::Error: MaybeSend,
{
    type Response = Response<HttpCacheBody<ResBody>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let spare = self.inner.clone();
        // The clone is not ready, so the original is called.
        let ready = std::mem::replace(&mut self.inner, spare);
        let (request, body) = request.into_parts();
        let core = &self.layer.0;
        match core.begin(&request, &body) {
            // The future of all that follows is large.
            Beginning::Serve(response) => platform::send(|| std::future::ready(Ok(response))),
            Beginning::Forward(reason) => {
                let core = core.clone();
                platform::send(|| async move { core.forward(ready, request, body, reason).await })
            }
            Beginning::LookUp(cache_key, directives) => {
                let core = core.clone();
                platform::send(|| core.handle(ready, request, body, cache_key, directives))
            }
        }
    }
}

/// How a request is answered, as far as that is known without waiting.
enum Beginning<B: Body> {
    /// A stored response answers, and this process holds all of it.
    Serve(Response<HttpCacheBody<B>>),
    /// The service answers.
    Forward(ForwardReason),
    /// The cache is asked.
    LookUp(Arc<CacheKey>, RequestDirectives),
}

impl Core {
    fn begin<ReqBody: Body, ResBody: Body<Data = Bytes>>(
        &self,
        request: &Parts,
        body: &ReqBody,
    ) -> Beginning<ResBody> {
        if let Some(reason) = reason_to_forward(request, !body.is_end_stream()) {
            return Beginning::Forward(reason);
        }
        let Ok(index) = self.options.index_key_of(request) else {
            return Beginning::Forward(ForwardReason::Bypass);
        };
        let directives = RequestDirectives::of(&request.headers);
        if let Some(response) = self.serve_near(&index, request, &directives) {
            return Beginning::Serve(response);
        }
        match self.options.cache_key_of(request, index) {
            Ok(cache_key) => Beginning::LookUp(Arc::new(cache_key), directives),
            Err(_) => Beginning::Forward(ForwardReason::Bypass),
        }
    }

    async fn handle<S, ReqBody, ResBody>(
        self,
        service: S,
        request: Parts,
        body: ReqBody,
        cache_key: Arc<CacheKey>,
        directives: RequestDirectives,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Body + Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let ended = self.single_flight.ended();
        let lookup = self.look_up(&cache_key, Tiers::All).await;
        let mut decision = self.decide(lookup, &cache_key, &request, &directives).await;
        // Another process may have stored a newer response than the one in the first tier.
        if let Decision::Forward { lookup, .. } = &decision
            && lookup.is_from_first_tier()
        {
            let lookup = self.look_up(&cache_key, Tiers::Shared).await;
            decision = self.decide(lookup, &cache_key, &request, &directives).await;
        }
        let (lookup, selected, reason) = match decision {
            Decision::Serve(response) => return Ok(response),
            Decision::ServeAndRevalidate(response, lookup) => {
                // RFC 9111, 5.2.1.5: nothing of a request with `no-store` is stored.
                if !directives.no_store {
                    let call_key = call_key_of(&cache_key, &lookup, &request);
                    let core = self.clone();
                    let work = core.revalidate(service.clone(), request, cache_key, call_key);
                    self.cache.in_background(platform::send(|| work));
                }
                return Ok(response);
            }
            Decision::Forward { lookup, selected, reason } => (*lookup, selected, reason),
        };
        if directives.only_if_cached {
            let status = CacheStatus::generated("only-if-cached");
            return Ok(generated_response(StatusCode::GATEWAY_TIMEOUT, status));
        }
        let (guard, call_guard, call_key) = (None, None, String::new());
        let mut origin = OriginRequest {
            cache_key,
            request,
            directives,
            lookup,
            selected,
            outdated: None,
            reason,
            guard,
            call_guard,
            call_key,
        };
        origin.set_call_key();
        if origin.request.method == Method::HEAD && origin.selected.is_none() {
            return self.fetch(service, origin, body, false).await;
        }
        if origin.request.headers.contains_key(header::RANGE) {
            origin.selected = None;
            return self.fetch(service, origin, body, false).await;
        }
        if origin.directives.no_store {
            return self.fetch(service, origin, body, false).await;
        }
        // A client that asks for validation does not wait for another request. The response to a request with
        // `Authorization` is seldom for others.
        let collapses = !origin.directives.validation
            && !origin.request.headers.contains_key(header::AUTHORIZATION)
            && origin.lookup.reachable;
        if collapses && let Some(response) = self.join_call(&mut origin, ended).await {
            return Ok(response);
        }
        if origin.guard.is_none() {
            origin.guard = self.begin_store_of(&origin, IfHeld::TakeOver).await;
            if origin.guard.is_none() && origin.lookup.reachable {
                self.single_flight.set_refusing_stores(self.options.now());
            }
        }
        self.fetch(service, origin, body, true).await
    }

    /// Forwards a request without a lookup, and invalidates what it changes.
    async fn forward<S, ReqBody, ResBody>(
        &self,
        mut service: S,
        head: Parts,
        body: ReqBody,
        reason: ForwardReason,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes>,
    {
        let unsafe_request = is_unsafe(&head).then(|| copy_of(&head));
        let response = service.call(Request::from_parts(head, body)).await?;
        let (head, body) = response.into_parts();
        if let Some(request) = unsafe_request
            && (head.status.is_success() || head.status.is_redirection())
        {
            self.invalidate_changed(&request, &head.headers).await;
        }
        Ok(with_cache_status(head, HttpCacheBody::of(body), CacheStatus::forwarded(reason)))
    }
}
