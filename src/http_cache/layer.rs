use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::exchange::{Exchange, Found, Verdict, answer, copy_of, in_trouble, pass, writes};
use super::request::Place;
use super::{HttpCacheBody, HttpCacheOptions};
use crate::cache::Cache;
use crate::platform::{self, BoxFuture, MaybeSend};

/// Answers requests from the cache, and stores what the service answers: a [`tower_layer::Layer`].
#[derive(Debug, Clone)]
pub struct HttpCache(Exchange);

impl HttpCache {
    /// A layer over this cache. In a Worker, give the cache a request's
    /// [`wait_until`](Cache::wait_until) if responses are to be refreshed in the background.
    pub fn new(cache: Cache, options: HttpCacheOptions) -> Self {
        Self(Exchange { cache, options })
    }
}

impl<S> Layer<S> for HttpCache {
    type Service = HttpCacheService<S>;

    fn layer(&self, inner: S) -> HttpCacheService<S> {
        HttpCacheService { exchange: self.0.clone(), inner }
    }
}

/// A service with the cache before it.
#[derive(Debug, Clone)]
pub struct HttpCacheService<S> {
    exchange: Exchange,
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpCacheService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
    S::Future: MaybeSend,
    S::Error: MaybeSend,
    ReqBody: Default + MaybeSend + 'static,
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
        let exchange = self.exchange.clone();
        platform::send(|| exchange.run(ready, request))
    }
}

impl Exchange {
    async fn run<S, ReqBody, ResBody>(
        self,
        mut service: S,
        request: Request<ReqBody>,
    ) -> Result<Response<HttpCacheBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let Some(place) = self.options.place(&copy_of_head(&request)) else {
            let (head, body) = request.into_parts();
            let client = copy_of(&head);
            let response = service.call(Request::from_parts(head, body)).await?;
            let status = response.status();
            if writes(&client.method) && (status.is_success() || status.is_redirection()) {
                self.written(&client).await;
            }
            let (head, body) = response.into_parts();
            return Ok(pass(head, HttpCacheBody::of(body), "fwd=method"));
        };
        let (mut head, body) = request.into_parts();
        let client = copy_of(&head);
        let found = self.find(&place).await;
        let stored = match self.judge(&found, &place) {
            Verdict::Serve(served) => {
                let (head, body) = *served;
                return Ok(answer(head, body, &client, "hit"));
            }
            Verdict::ServeAndRefresh(served) => {
                let (head, body) = *served;
                let again = self.clone().refresh(service.clone(), copy_of(&client), place, found);
                self.cache.in_background(platform::send(|| again));
                return Ok(answer(head, body, &client, "hit; detail=stale"));
            }
            Verdict::Ask(stored) => stored,
        };
        let permit = self.permit(&place, &found, false).await;
        self.to_ask(&mut head, stored.as_deref(), &place);
        let asked = service.call(Request::from_parts(head, body)).await;
        let failed = asked.as_ref().map_or(true, |response| in_trouble(response.status()));
        if failed
            && let Some(stored) = stored.as_ref().filter(|stored| stored.may_be_stale_on_error())
            && let (Some(head), Some(body)) = (stored.head(), stored.body())
        {
            if let Some(permit) = permit {
                self.cache.give_back(permit).await;
            }
            return Ok(answer(head, body, &client, "hit; detail=stale-if-error"));
        }
        match asked {
            Ok(response) => Ok(self.take(response, &client, &place, found, stored, permit).await),
            Err(error) => {
                if let Some(permit) = permit {
                    self.cache.give_back(permit).await;
                }
                Err(error)
            }
        }
    }

    /// Asks the service again for what is served stale, unless somebody does so already.
    async fn refresh<S, ReqBody, ResBody>(
        self,
        mut service: S,
        client: Parts,
        place: Place,
        found: Found,
    ) where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + MaybeSend + 'static,
        S::Future: MaybeSend,
        S::Error: MaybeSend,
        ReqBody: Default + MaybeSend + 'static,
        ResBody: Body<Data = Bytes> + MaybeSend + 'static,
        ResBody::Error: MaybeSend,
    {
        let Some(permit) = self.permit(&place, &found, true).await else {
            return;
        };
        let stored = match self.judge(&found, &place) {
            Verdict::Ask(stored) => stored,
            _ => None,
        };
        let mut head = copy_of(&client);
        self.to_ask(&mut head, stored.as_deref(), &place);
        let ready = poll_fn(|context| service.poll_ready(context)).await;
        let asked = match ready {
            Ok(()) => service.call(Request::from_parts(head, ReqBody::default())).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(response) if !in_trouble(response.status()) => {
                drop(self.take(response, &client, &place, found, stored, Some(permit)).await);
            }
            _ => {
                tracing::warn!("a response cannot be refreshed: the service fails");
                self.cache.give_back(permit).await;
            }
        }
    }
}

fn copy_of_head<B>(request: &Request<B>) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = request.method().clone();
    head.uri = request.uri().clone();
    head.headers = request.headers().clone();
    head.extensions = request.extensions().clone();
    head
}
