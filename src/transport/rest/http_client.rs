use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::Result;
use crate::platform::BoxFuture;

/// A POST request. `Debug` shows neither headers nor body.
#[non_exhaustive]
pub struct HttpRequest {
    /// The absolute URL.
    pub url: String,
    /// Names in lower case, and values.
    pub headers: Arc<[(&'static str, String)]>,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// An answer, whatever its status. `Debug` does not show the body.
#[non_exhaustive]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The value of the `Retry-After` header.
    pub retry_after: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

impl HttpResponse {
    /// An answer.
    pub fn new(status: u16, retry_after: Option<String>, body: Bytes) -> Self {
        Self { status, retry_after, body }
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Something that sends HTTP requests: reqwest on native targets, `fetch` on wasm32, or a user's own.
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Posts a request and reads the whole answer.
    ///
    /// # Errors
    /// Only if there is no whole answer: [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the request certainly
    /// did not leave, else [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected) or
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout). An answer of any status is not an error here. The error's
    /// text must not hold the headers.
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>>;
}
