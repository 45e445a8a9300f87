use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use http::Method;

use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Result};

/// A request. `Debug` shows neither URL nor headers nor body.
#[non_exhaustive]
pub struct HttpRequest {
    /// The method. It is POST in every request to a Redis.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// The headers that most requests share: names in lower case, and values.
    pub headers: Arc<[(&'static str, String)]>,
    /// A header of this request alone.
    pub header: Option<(&'static str, String)>,
    /// The body. It is empty in a GET and a HEAD.
    pub body: Bytes,
    /// The most bytes that a whole answer may have; see [`HttpClient::post`].
    pub max_response_bytes: usize,
}

impl HttpRequest {
    /// All headers: names in lower case, and values.
    pub fn all_headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().chain(&self.header).map(|(name, value)| (*name, value.as_str()))
    }

    /// Whether the method allows a body. `fetch` refuses a GET with one, even if it is empty.
    #[cfg(any(
        all(feature = "reqwest", not(target_arch = "wasm32")),
        all(target_arch = "wasm32", target_os = "unknown")
    ))]
    pub(super) fn may_have_body(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// How many bytes of an answer without success are read. That is enough for an error message.
const ERROR_BYTES: usize = 64 * 1024;

/// Collects the pieces of a body up to a limit.
#[derive(Debug)]
pub(super) struct Collected {
    status: u16,
    most: usize,
    /// The first piece. Most answers have only one, which is not copied.
    first: Bytes,
    all: Vec<u8>,
}

impl Collected {
    /// Starts to collect a body. `announced` is its length, if the answer has a `Content-Length`.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if the announced length exceeds the limit.
    pub(super) fn new(status: u16, most: usize, announced: Option<u64>) -> Result<Self> {
        let is_too_long = announced.is_some_and(|length| length > most as u64);
        if is_success(status) && is_too_long {
            return Err(too_long(status, most));
        }
        let most = if is_success(status) { most } else { most.min(ERROR_BYTES) };
        Ok(Self { status, most, first: Bytes::new(), all: Vec::new() })
    }

    /// How many more bytes the limit allows.
    pub(super) fn room(&self) -> usize {
        self.most - self.first.len() - self.all.len()
    }

    /// Adds a piece. Returns `false` if no more pieces are needed.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if the body exceeds the limit.
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

pub(crate) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

pub(crate) fn too_long(status: u16, most: usize) -> Error {
    let message = format!(
        "the answer has more than {most} bytes: ask for less at a time, or raise max_response_bytes"
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
    /// The headers that this crate reads, in lower case. An [`HttpClient`] passes on those that are present, and no others.
    pub const HEADERS: [&'static str; 3] = ["content-range", "retry-after", "upstash-sync-token"];

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

/// An answer whose body comes piece by piece. Dropping it ends the request.
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

/// Sends HTTP requests: by reqwest on native targets, by `fetch` on a JavaScript host, or by a client of the user's own.
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Posts a request and reads the whole answer, up to [`HttpRequest::max_response_bytes`]. A longer successful answer is an
    /// error of kind [`ErrorKind::Protocol`]. Of a longer answer without success, the beginning is returned. In both cases no
    /// more is read.
    ///
    /// # Errors
    /// Only if there is no complete answer: [`ErrorKind::Connect`] if the request was certainly not sent, else
    /// [`ErrorKind::Disconnected`] or [`ErrorKind::Timeout`]. An answer with an error status is not an error here. The text of
    /// the error must not contain the headers.
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>>;

    /// Sends a request with the method that it names, and reads the answer as [`HttpClient::post`] does. No request to a
    /// Redis needs it, those to a database of Supabase do. By default a POST goes to [`HttpClient::post`], and any other
    /// method is refused, so that a layer without this method is not bypassed.
    ///
    /// # Errors
    /// As for [`HttpClient::post`]; by default [`ErrorKind::Unsupported`] for other methods than POST.
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        if request.method == Method::POST {
            return self.post(request);
        }
        Box::pin(async {
            Err(Error::new(
                ErrorKind::Unsupported,
                "this HTTP client, or a layer around it, can only post: it needs HttpClient::send",
            ))
        })
    }

    /// Whether [`HttpClient::open`] works. Default: `false`.
    fn can_stream(&self) -> bool {
        false
    }

    /// Posts a request and returns the answer as a stream, which may have no end. Subscriptions need it.
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

/// Wraps an HTTP client in another one, as a [`Layer`](crate::layer::Layer) wraps a transport. It sees every HTTP request: each
/// part of a long pipeline, the request that finds out how the server writes replies, and the request that joins sync
/// tokens.
///
/// [`RequestBudget`](crate::layer::RequestBudget) implements it, and so does every function of this form:
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
///     fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
///         self.1.fetch_add(1, Ordering::Relaxed);
///         self.0.send(request)
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
