use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Result};

/// A POST request. `Debug` shows neither headers nor body.
#[non_exhaustive]
pub struct HttpRequest {
    /// The absolute URL.
    pub url: String,
    /// The headers that most requests share: names in lower case, and values.
    pub headers: Arc<[(&'static str, String)]>,
    /// A header of this request alone.
    pub header: Option<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl HttpRequest {
    /// All headers: names in lower case, and values.
    pub fn all_headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().chain(&self.header).map(|(name, value)| (*name, value.as_str()))
    }
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
    headers: Vec<(&'static str, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl HttpResponse {
    /// The headers that matter, in lower case. An [`HttpClient`] hands these on, if they are there, and no others.
    pub const HEADERS: [&'static str; 2] = ["retry-after", "upstash-sync-token"];

    /// An answer; `header` gives the value of each of [`HttpResponse::HEADERS`].
    ///
    /// ```
    /// use edgecask::transport::rest::HttpResponse;
    ///
    /// let response = HttpResponse::new(200, |name| (name == "retry-after").then(|| "7".to_owned()), "{}");
    /// assert_eq!(response.header("retry-after"), Some("7"));
    /// ```
    pub fn new(
        status: u16,
        header: impl Fn(&'static str) -> Option<String>,
        body: impl Into<Bytes>,
    ) -> Self {
        let headers = Self::HEADERS.into_iter().filter_map(|name| Some((name, header(name)?)));
        Self { status, headers: headers.collect(), body: body.into() }
    }

    /// The value of one of [`HttpResponse::HEADERS`].
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(this, _)| *this == name).map(|(_, value)| value.as_str())
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

/// An answer whose body comes piece by piece; dropping it ends the request.
#[non_exhaustive]
pub struct HttpStream {
    /// The status code.
    pub status: u16,
    /// The pieces of the body.
    pub body: BoxStream<'static, Result<Bytes>>,
}

impl HttpStream {
    /// An answer.
    pub fn new(status: u16, body: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { status, body }
    }
}

impl fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStream").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Something that sends HTTP requests: reqwest on native targets, `fetch` on wasm32, or a user's own.
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Posts a request and reads the whole answer.
    ///
    /// # Errors
    /// Only if there is no whole answer: [`ErrorKind::Connect`] if the request certainly did not leave, else
    /// [`ErrorKind::Disconnected`] or [`ErrorKind::Timeout`]. An answer of any status is not an error here. The error's
    /// text must not hold the headers.
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>>;

    /// Whether [`HttpClient::open`] works. Default: `false`.
    fn can_stream(&self) -> bool {
        false
    }

    /// Posts a request and reads the answer as it comes, without end. Subscriptions need it.
    ///
    /// # Errors
    /// As for [`HttpClient::post`]; by default [`ErrorKind::Unsupported`].
    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        drop(request);
        Box::pin(async {
            Err(Error::new(ErrorKind::Unsupported, "this HTTP client cannot stream answers"))
        })
    }
}
