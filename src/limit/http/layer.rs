//! A tower layer for axum and any other HTTP service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::super::limiter::RateLimiter;
use super::super::request;
use super::body::HttpLimitBody;
use super::guard::{Guard, Guarded};
use super::headers::Draft;
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
/// the headers of their decision. One EVALSHA a request, and if the limiter limits concurrency, what a
/// [`Permit`](super::super::Permit) costs.
///
/// A request whose identifier does not have 1 to 1024 bytes is answered with 400. Other errors of the limiter that
/// are not failures of the server are answered with 500: its configuration is wrong.
#[derive(Debug, Clone)]
pub struct HttpLimit {
    limiter: RateLimiter,
    options: LimitOptions,
}

impl HttpLimit {
    /// A layer with this limiter. If the limiter limits concurrency, a request holds its permit until its response's body has
    /// ended or is dropped. The permit is not renewed, so its time to live has to be longer than the longest response.
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
    type Response = Response<HttpLimitBody<ResBody>>;
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
    ) -> Result<Response<HttpLimitBody<ResBody>>, S::Error>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        let (head, body) = request.into_parts();
        let identifier = (self.options.identify)(&head);
        let cost = self.options.cost.as_ref().map_or(1, |cost| cost(&head));
        let request = Request::from_parts(head, body);
        let Some(identifier) = identifier else {
            let response = service.call(request).await?;
            return Ok(response.map(|body| HttpLimitBody::of(body, None)));
        };
        let asked = request::Request::new(&identifier).cost(cost);
        let guard = Guard::new(self.limiter).draft(self.options.draft);
        let admitted = match guard.check(asked).await {
            Ok(Guarded::Admitted(admitted)) => admitted,
            Ok(Guarded::Refused(response)) => return Ok(response.map(HttpLimitBody::full)),
            Err(error) => {
                tracing::warn!(kind = error.kind().as_str(), "a request could not be limited");
                let mut response = Response::new(HttpLimitBody::full(Bytes::new()));
                *response.status_mut() = match error.kind() {
                    ErrorKind::InvalidInput => http::StatusCode::BAD_REQUEST,
                    _ => http::StatusCode::INTERNAL_SERVER_ERROR,
                };
                return Ok(response);
            }
        };
        let mut response = service.call(request).await?;
        admitted.insert_headers(response.headers_mut());
        let permit = admitted.into_permit();
        Ok(response.map(|body| HttpLimitBody::of(body, permit)))
    }
}
