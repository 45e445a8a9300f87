//! A check before a handler, over the types of the `http` crate.

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::super::decision::Decision;
use super::super::limiter::RateLimiter;
use super::super::permit::Permit;
use super::super::request::Request;
use super::headers::{Draft, insert_headers};
use super::problem::problem;
use crate::Result;

/// Limits requests where there is no tower service, as in a Worker's `fetch` handler.
///
/// ```
/// use edgecask::Client;
/// use edgecask::limit::{Policy, RateLimiter, http::{Guard, Guarded}};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let limiter = RateLimiter::builder(Client::memory())
///     .policy(Policy::sliding_window(100, Duration::from_secs(60)))
///     .build()?;
/// let guard = Guard::new(limiter);
/// let response = match guard.check("203.0.113.7").await? {
///     Guarded::Refused(response) => response,
///     Guarded::Admitted(admitted) => {
///         let mut response = http::Response::new(bytes::Bytes::from("hello"));
///         admitted.insert_headers(response.headers_mut());
///         response
///     }
/// };
/// assert_eq!(response.status(), 200);
/// assert!(response.headers().contains_key("ratelimit"));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Guard {
    limiter: RateLimiter,
    draft: Draft,
}

/// The result of [`Guard::check`].
#[derive(Debug)]
pub enum Guarded {
    /// The request may go on. Set the headers in its response.
    Admitted(Admitted),
    /// Send this response instead.
    Refused(Response<Bytes>),
}

/// A request that may go on. If the limiter limits concurrency, it holds the request's permit until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    decision: Decision,
    draft: Draft,
    permit: Option<Box<Permit>>,
}

impl Admitted {
    /// The decision.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Sets the fields of the decision in the response's headers.
    pub fn insert_headers(&self, headers: &mut HeaderMap) {
        insert_headers(headers, &self.decision, self.draft);
    }

    /// The permit, if the limiter limits concurrency. Keep it until the response's body has been sent, because streamed bodies
    /// are produced after the handler has returned; or [release](Permit::release) it.
    pub fn into_permit(self) -> Option<Permit> {
        self.permit.map(|permit| *permit)
    }
}

impl Guard {
    /// A guard with this limiter.
    pub fn new(limiter: RateLimiter) -> Self {
        Self { limiter, draft: Draft::default() }
    }

    /// The draft whose names the headers have.
    #[must_use]
    pub fn draft(mut self, draft: Draft) -> Self {
        self.draft = draft;
        self
    }

    /// Counts a request. As many commands as [`RateLimiter::limit`], or as [`RateLimiter::acquire`] if the limiter limits
    /// concurrency.
    ///
    /// # Errors
    /// As for [`RateLimiter::limit`] and [`RateLimiter::acquire`].
    pub async fn check<'a>(&self, request: impl Into<Request<'a>>) -> Result<Guarded> {
        let (decision, permit) = if self.limiter.has_permits() {
            match self.limiter.acquire(request).await? {
                Ok(permit) => (permit.decision().clone(), Some(Box::new(permit))),
                Err(decision) => (decision, None),
            }
        } else {
            (self.limiter.limit(request).await?, None)
        };
        Ok(match decision.is_allowed() {
            true => Guarded::Admitted(Admitted { decision, draft: self.draft, permit }),
            false => Guarded::Refused(problem(&decision, self.draft)),
        })
    }
}
