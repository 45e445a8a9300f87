//! A tower layer for axum and any other HTTP service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use super::super::limiter::RateLimiter;
use super::super::request;
use super::headers::{Draft, insert_headers};
use super::problem::problem;
use crate::ErrorKind;
use crate::platform::{self, BoxFuture, Local, MaybeSend, MaybeSync};

trait Identify: Fn(&Parts) -> Option<String> + MaybeSend + MaybeSync {}
impl<F: Fn(&Parts) -> Option<String> + MaybeSend + MaybeSync> Identify for F {}

trait CostOf: Fn(&Parts) -> u64 + MaybeSend + MaybeSync {}
impl<F: Fn(&Parts) -> u64 + MaybeSend + MaybeSync> CostOf for F {}

/// How requests are identified, and their costs.
#[derive(Clone)]
pub struct LimitOptions {
    identify: Local<Arc<dyn Identify>>,
    cost: Option<Local<Arc<dyn CostOf>>>,
    draft: Draft,
}

impl LimitOptions {
    /// Requests are counted by the identifier that this function takes from their head: a user, an address. A request without one
    /// (`None`) is not limited. The identifier becomes a part of keys, so hash a secret such as an API key, or use its user instead.
    ///
    /// A header that a client may set as it likes, such as `X-Forwarded-For` without a trusted proxy, is no identity: each
    /// value of it has a limit of its own.
    pub fn new(
        identify: impl Fn(&Parts) -> Option<String> + MaybeSend + MaybeSync + 'static,
    ) -> Self {
        Self { identify: Local::new(Arc::new(identify)), cost: None, draft: Draft::default() }
    }

    /// The cost of a request. Default: 1.
    #[must_use]
    pub fn cost(mut self, cost: impl Fn(&Parts) -> u64 + MaybeSend + MaybeSync + 'static) -> Self {
        self.cost = Some(Local::new(Arc::new(cost)));
        self
    }

    /// The draft whose names the headers have. Default: [`Draft::Ten`].
    #[must_use]
    pub fn draft(mut self, draft: Draft) -> Self {
        self.draft = draft;
        self
    }
}

impl fmt::Debug for LimitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitOptions").field("draft", &self.draft).finish_non_exhaustive()
    }
}

/// Limits the requests of a service: a [`tower_layer::Layer`]. The service sees only requests that have room; all responses have
/// the headers of their decision. One EVALSHA a request.
///
/// A request whose identifier does not have 1 to 1024 bytes is answered with 400. Other errors of the limiter that
/// are not failures of the server are answered with 500: its configuration is wrong.
#[derive(Debug, Clone)]
pub struct HttpLimit {
    limiter: RateLimiter,
    options: LimitOptions,
}

impl HttpLimit {
    /// A layer with this limiter. If the limiter limits concurrency, a request holds its permit until its response's head is
    /// ready.
    pub fn new(limiter: RateLimiter, options: LimitOptions) -> Self {
        Self { limiter, options }
    }
}

impl<S> Layer<S> for HttpLimit {
    type Service = HttpLimitService<S>;

    fn layer(&self, inner: S) -> HttpLimitService<S> {
        HttpLimitService { layer: self.clone(), inner }
    }
}

/// A service with a limit in front of it.
#[derive(Debug, Clone)]
pub struct HttpLimitService<S> {
    layer: HttpLimit,
    inner: S,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpLimitService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + MaybeSend + 'static,
    S::Future: MaybeSend,
    S::Error: MaybeSend,
    ReqBody: MaybeSend + 'static,
    ResBody: Body<Data = Bytes> + MaybeSend + 'static,
{
    type Response = Response<Either<ResBody, Full<Bytes>>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let spare = self.inner.clone();
        // The clone is not ready, so the original is called.
        let ready = std::mem::replace(&mut self.inner, spare);
        let layer = self.layer.clone();
        platform::send(|| layer.handle(ready, request))
    }
}

impl HttpLimit {
    async fn handle<S, ReqBody, ResBody>(
        self,
        mut service: S,
        request: Request<ReqBody>,
    ) -> Result<Response<Either<ResBody, Full<Bytes>>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        let (head, body) = request.into_parts();
        let identifier = (self.options.identify)(&head);
        let cost = self.options.cost.as_ref().map_or(1, |cost| cost(&head));
        let request = Request::from_parts(head, body);
        let Some(identifier) = identifier else {
            return Ok(service.call(request).await?.map(Either::Left));
        };
        let asked = request::Request::new(&identifier).cost(cost);
        let (decision, permit) = if self.limiter.has_permits() {
            match self.limiter.acquire(asked).await {
                Ok(Ok(permit)) => (Ok(permit.decision().clone()), Some(permit)),
                Ok(Err(decision)) => (Ok(decision), None),
                Err(error) => (Err(error), None),
            }
        } else {
            (self.limiter.limit(asked).await, None)
        };
        let decision = match decision {
            Ok(decision) => decision,
            Err(error) => {
                tracing::warn!(kind = error.kind().as_str(), "a request could not be limited");
                let mut response = Response::new(Either::Right(Full::default()));
                *response.status_mut() = match error.kind() {
                    ErrorKind::InvalidInput => http::StatusCode::BAD_REQUEST,
                    _ => http::StatusCode::INTERNAL_SERVER_ERROR,
                };
                return Ok(response);
            }
        };
        if !decision.is_allowed() {
            return Ok(
                problem(&decision, self.options.draft).map(|body| Either::Right(Full::new(body)))
            );
        }
        let mut response = service.call(request).await?;
        drop(permit);
        insert_headers(response.headers_mut(), &decision, self.options.draft);
        Ok(response.map(Either::Left))
    }
}
