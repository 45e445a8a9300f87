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
    /// The most bytes that a whole answer may have; see [`HttpClient::post`].
    pub max_response_bytes: usize,
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

/// How much of an answer without success is read: enough for an error, and little of a page.
const ERROR_BYTES: usize = 64 * 1024;

/// The body of an answer as its pieces come, within a limit.
#[derive(Debug)]
pub(super) struct Collected {
    status: u16,
    most: usize,
    /// An answer of one piece, as most are, is not copied.
    first: Bytes,
    all: Vec<u8>,
}

impl Collected {
    /// The body of an answer that may say how long it is.
    ///
    /// # Errors
    /// It says that it is too long.
    pub(super) fn new(status: u16, most: usize, announced: Option<u64>) -> Result<Self> {
        let is_too_long = announced.is_some_and(|length| length > most as u64);
        if is_success(status) && is_too_long {
            return Err(too_long(status, most));
        }
        let most = if is_success(status) { most } else { most.min(ERROR_BYTES) };
        Ok(Self { status, most, first: Bytes::new(), all: Vec::new() })
    }

    /// How many bytes more there may be.
    pub(super) fn room(&self) -> usize {
        self.most - self.first.len() - self.all.len()
    }

    /// Takes a piece in. `false` if nothing more is wanted.
    ///
    /// # Errors
    /// The answer is too long.
    pub(super) fn push(&mut self, piece: Bytes) -> Result<bool> {
        let room = self.room();
        if piece.len() > room && is_success(self.status) {
            return Err(too_long(self.status, self.most));
        }
        let piece = piece.slice(..piece.len().min(room));
        if room == self.most {
            self.first = piece;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&std::mem::take(&mut self.first));
            }
            let needed = self.all.len() + piece.len();
            if needed > self.all.capacity() {
                let doubled = needed.max(self.all.capacity() * 2).min(self.most);
                self.all.reserve_exact(doubled - self.all.len());
            }
            self.all.extend_from_slice(&piece);
        }
        Ok(is_success(self.status) || self.room() > 0)
    }

    pub(super) fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.into() }
    }
}

pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

pub(super) fn too_long(status: u16, most: usize) -> Error {
    let message = format!(
        "the answer has more than {most} bytes: ask for less at a time, or raise RestOptions::max_response_bytes"
    );
    Error::new(ErrorKind::Protocol, message).with_status(status)
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
    /// Posts a request and reads the whole answer, up to [`HttpRequest::max_response_bytes`]. A longer answer of success
    /// is an error of kind [`ErrorKind::Protocol`], and of any other status its beginning is enough; either way no more
    /// of it is read.
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

/// Something that wraps an HTTP client in another: what a [`Layer`](crate::layer::Layer) is to commands, it is to HTTP
/// requests. It sees each of them: every part of a long pipeline, the request by which a transport finds out how the
/// server writes replies, and the one that joins sync tokens.
///
/// [`RequestBudget`](crate::layer::RequestBudget) is one, and so is any function:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use edgecask::Result;
/// use edgecask::platform::BoxFuture;
/// use edgecask::transport::rest::{HttpClient, HttpRequest, HttpResponse, HttpStream, RestOptions};
///
/// #[derive(Debug)]
/// struct Counting(Arc<dyn HttpClient>, Arc<AtomicU64>);
///
/// impl HttpClient for Counting {
///     fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
///         self.1.fetch_add(1, Ordering::Relaxed);
///         self.0.post(request)
///     }
///     fn can_stream(&self) -> bool {
///         self.0.can_stream()
///     }
///     fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
///         self.1.fetch_add(1, Ordering::Relaxed);
///         self.0.open(request)
///     }
/// }
///
/// let requests = Arc::new(AtomicU64::new(0));
/// let counter = requests.clone();
/// let options = RestOptions::new("https://example.upstash.io", "token")
///     .http_layer(move |inner| Arc::new(Counting(inner, counter.clone())) as Arc<dyn HttpClient>);
/// ```
pub trait HttpLayer: Send + Sync + 'static {
    /// Wraps it.
    fn wrap(&self, inner: Arc<dyn HttpClient>) -> Arc<dyn HttpClient>;
}

impl<F> HttpLayer for F
where
    F: Fn(Arc<dyn HttpClient>) -> Arc<dyn HttpClient> + Send + Sync + 'static,
{
    fn wrap(&self, inner: Arc<dyn HttpClient>) -> Arc<dyn HttpClient> {
        self(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(status: u16, announced: Option<u64>, pieces: &[&'static str]) -> Result<Bytes> {
        let mut body = Collected::new(status, 10, announced)?;
        for piece in pieces {
            if !body.push(Bytes::from_static(piece.as_bytes()))? {
                break;
            }
        }
        Ok(body.finish())
    }

    #[test]
    fn a_body_has_a_limit() {
        for pieces in [&[][..], &["0123456789"], &["0", "12345678", "9"]] {
            assert_eq!(collect(200, None, pieces).ok(), Some(pieces.concat().into()));
        }
        for (announced, pieces) in
            [(Some(11), &[][..]), (None, &["0123456789", "0"]), (Some(1), &["01234567890"])]
        {
            let error = collect(200, announced, pieces).err();
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Protocol));
        }
        let cut = collect(500, Some(u64::MAX), &["01234", "0123456789", "more"]);
        assert_eq!(cut.ok(), Some("0123401234".into()));
    }
}
