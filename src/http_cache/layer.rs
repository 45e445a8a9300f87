use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::exchange::{Decision, Exchange, Tiers};
use super::origin_request::{OriginRequest, call_of, copy_of};
use super::request::writes;
use super::respond::{own, pass};
use super::rules::{ForwardReason, RequestDirectives};
use super::{HttpCacheBody, HttpCacheOptions};
use crate::cache::Cache;
use crate::platform::{self, BoxFuture, MaybeSend};

/// Answers requests from the cache, and stores what the service answers: a [`tower_layer::Layer`].
#[derive(Clone)]
pub struct HttpCache(Exchange);

impl HttpCache {
    /// A layer over this cache. In a Worker, give the cache a request's
    /// [`wait_until`](Cache::wait_until) if responses are to be refreshed in the background.
    ///
    /// Services of one layer share what this process holds in memory, and wait for each other's requests: make one layer,
    /// and clone it.
    pub fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        Self(Exchange::new(cache, options))
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

/// A service with the cache before it.
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
        // The one that is ready does the work.
        let ready = std::mem::replace(&mut self.inner, spare);
        let exchange = self.layer.0.clone();
        platform::send(|| exchange.run(ready, request))
    }
}

impl Exchange {
    async fn run<S, ReqBody, ResBody>(
        self,
        service: S,
        request: Request<ReqBody>,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Body + Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let (client, body) = request.into_parts();
        let place = match self.options.place(&client, !body.is_end_stream()) {
            Ok(place) => Arc::new(place),
            Err(why) => return self.forward(service, client, body, why).await,
        };
        let directives = RequestDirectives::of(&client.headers);
        let ended = self.single_flight.ended();
        let found = self.find(&place, Tiers::All).await;
        let mut verdict = self.judge(found, &place, &client, &directives).await;
        // What a first tier holds may be older than what another process has stored.
        if let Decision::Forward { found, .. } = &verdict
            && found.is_near()
        {
            let found = self.find(&place, Tiers::Shared).await;
            verdict = self.judge(found, &place, &client, &directives).await;
        }
        let (found, stored, why) = match verdict {
            Decision::Serve(answer) => return Ok(answer),
            Decision::ServeAndRefresh(answer, found) => {
                let call = call_of(&place, &found, &client);
                let again = self.clone().refresh(service.clone(), client, place, call);
                self.cache.in_background(platform::send(|| again));
                return Ok(answer);
            }
            Decision::Forward { found, stored, why } => (*found, stored, why),
        };
        if directives.only_if_cached {
            return Ok(own(StatusCode::GATEWAY_TIMEOUT, "detail=only-if-cached"));
        }
        let (guard, call_guard, call) = (None, None, String::new());
        let mut origin = OriginRequest {
            place,
            client,
            directives,
            found,
            stored,
            why,
            guard,
            call_guard,
            call,
        };
        origin.set_call();
        if origin.client.method == Method::HEAD && origin.stored.is_none() {
            return self.fetch(service, origin, body, false).await;
        }
        if origin.client.headers.contains_key(header::RANGE) {
            origin.stored = None;
            return self.fetch(service, origin, body, false).await;
        }
        if origin.directives.no_store {
            return self.fetch(service, origin, body, false).await;
        }
        // Who insists wants an answer of his own, and what a secret opens is seldom for others.
        let collapses = !origin.directives.validation
            && !origin.client.headers.contains_key(header::AUTHORIZATION)
            && origin.found.reachable;
        if collapses && let Some(answer) = self.join_call(&mut origin, ended).await {
            return Ok(answer);
        }
        if origin.guard.is_none() {
            origin.guard = self.guard(&origin.place, &origin.found).await;
            if origin.guard.is_none() && origin.found.reachable {
                self.single_flight.set_refusing_stores(self.options.now());
            }
        }
        self.fetch(service, origin, body, true).await
    }

    /// Sends a request on that the cache has nothing to do with.
    async fn forward<S, ReqBody, ResBody>(
        &self,
        mut service: S,
        head: Parts,
        body: ReqBody,
        why: ForwardReason,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        ResBody: Body<Data = Bytes>,
    {
        let client = writes(&head).then(|| copy_of(&head));
        let response = service.call(Request::from_parts(head, body)).await?;
        let (head, body) = response.into_parts();
        if let Some(client) = client
            && (head.status.is_success() || head.status.is_redirection())
        {
            self.written(&client, &head.headers).await;
        }
        Ok(pass(head, HttpCacheBody::of(body), &format!("fwd={}", why.name())))
    }
}
