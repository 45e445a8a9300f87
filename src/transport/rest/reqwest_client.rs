use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::endpoint::is_loopback;
use super::http_client::{Collected, HttpClient, HttpRequest, HttpResponse, HttpStream};
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, Result};

/// How long connecting may take. [`Deadline`](crate::layer::Deadline) limits the whole call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// HTTP over reqwest, with rustls, connections that are kept alive, and HTTP/2 where the server offers it. It follows no
/// redirects, because those would send the token to another host. It uses the proxies that the environment names
/// (`https_proxy` and similar), but never for URLs of this host, because a proxy could read the token.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    http: reqwest::Client,
    /// The client for this host, without proxies. It is the same as `http` if the application gave the client.
    direct: reqwest::Client,
    /// The URLs and headers of most requests, parsed once.
    prepared: Arc<RwLock<Vec<Prepared>>>,
}

struct Prepared {
    text: String,
    shared: Arc<[(&'static str, String)]>,
    url: reqwest::Url,
    headers: HeaderMap,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").finish_non_exhaustive()
    }
}

impl ReqwestClient {
    /// A client with a pool of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if TLS cannot be set up on this system.
    pub fn new() -> Result<Self> {
        let http = build(builder())?;
        let direct = if may_have_proxies() { build(builder().no_proxy())? } else { http.clone() };
        Ok(Self { direct, ..Self::with(http) })
    }

    /// Uses a client that the application configured itself: proxies, certificates, pool sizes.
    pub fn with(client: reqwest::Client) -> Self {
        Self { direct: client.clone(), http: client, prepared: Arc::default() }
    }
}

/// Whether reqwest may find proxies. Only then a second client is made, which costs time and memory.
fn may_have_proxies() -> bool {
    let is_proxy = |name: &std::ffi::OsStr| {
        let name = name.to_string_lossy().to_ascii_lowercase();
        matches!(&*name, "http_proxy" | "https_proxy" | "all_proxy")
    };
    // On these systems, the system settings may name proxies too.
    cfg!(any(windows, target_os = "macos")) || std::env::vars_os().any(|(name, _)| is_proxy(&name))
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("edgecask/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| {
        Error::new(ErrorKind::Config, "the HTTP client cannot be set up").with_source(error)
    })
}

impl ReqwestClient {
    /// Posts a request.
    async fn posted(&self, request: HttpRequest) -> Result<reqwest::Response> {
        let (url, headers) = self.prepared(&request)?;
        self.execute(request, url, headers).await
    }

    async fn execute(
        &self,
        request: HttpRequest,
        url: reqwest::Url,
        mut headers: HeaderMap,
    ) -> Result<reqwest::Response> {
        if let Some((name, value)) = &request.header {
            headers.insert(HeaderName::from_static(name), value.parse().map_err(unfit)?);
        }
        let may_have_body = request.may_have_body();
        let mut call = reqwest::Request::new(request.method, url);
        *call.headers_mut() = headers;
        if may_have_body {
            if request.body.is_empty() {
                // reqwest leaves it out, and some servers refuse a POST without it.
                call.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            *call.body_mut() = Some(request.body.into());
        }
        self.client_for(call.url()).execute(call).await.map_err(classify)
    }

    fn client_for(&self, url: &reqwest::Url) -> &reqwest::Client {
        let is_here = url.host_str().is_some_and(is_loopback);
        if is_here { &self.direct } else { &self.http }
    }

    fn prepared(&self, request: &HttpRequest) -> Result<(reqwest::Url, HeaderMap)> {
        /// The number of URLs is limited, because the URLs of binary commands contain values.
        const MAX: usize = 8;
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|known| {
            Arc::ptr_eq(&known.shared, &request.headers) && known.text == request.url
        });
        if let Some(found) = found {
            return Ok((found.url.clone(), found.headers.clone()));
        }
        let is_full = known.len() >= MAX;
        drop(known);
        let (url, headers) = parsed(request)?;
        if !is_full {
            let prepared = Prepared {
                text: request.url.clone(),
                shared: Arc::clone(&request.headers),
                url: url.clone(),
                headers: headers.clone(),
            };
            self.prepared.write().unwrap_or_else(PoisonError::into_inner).push(prepared);
        }
        Ok((url, headers))
    }
}

/// The URL and the shared headers of a request.
fn parsed(request: &HttpRequest) -> Result<(reqwest::Url, HeaderMap)> {
    let url: reqwest::Url = request.url.parse().map_err(unfit)?;
    // If the parser changed the URL, it may name another command.
    let parsed = [url.path(), url.query().map_or("", |_| "?"), url.query().unwrap_or("")].concat();
    if !request.url.ends_with(&parsed) {
        return Err(unfit(()));
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len() + 1);
    for (name, value) in request.headers.iter() {
        let mut value: HeaderValue = value.parse().map_err(unfit)?;
        value.set_sensitive(matches!(*name, "authorization" | "apikey"));
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok((url, headers))
}

/// Reads a whole answer.
async fn whole(mut response: reqwest::Response, most: usize) -> Result<HttpResponse> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Collected::new(status, most, response.content_length())?;
    while let Some(piece) = response.chunk().await.map_err(classify)? {
        if !body.push(piece)? {
            break;
        }
    }
    let header = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    Ok(HttpResponse::new(status, header, body.finish()))
}

/// The error's own text may quote the URL or the header.
fn unfit<E>(_: E) -> Error {
    Error::new(ErrorKind::InvalidInput, "the request cannot be sent")
}

impl HttpClient for ReqwestClient {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        boxed(|| async move {
            let most = request.max_response_bytes;
            whole(self.posted(request).await?, most).await
        })
    }

    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        boxed(|| async move {
            let most = request.max_response_bytes;
            let (url, headers) = parsed(&request)?;
            whole(self.execute(request, url, headers).await?, most).await
        })
    }

    fn can_stream(&self) -> bool {
        true
    }

    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        boxed(|| async move {
            let response = self.posted(request).await?;
            let status = response.status().as_u16();
            let body = stream::try_unfold(response, |mut response| async move {
                let piece = response.chunk().await.map_err(classify)?;
                Ok(piece.map(|piece| (piece, response)))
            });
            Ok(HttpStream::new(status, body.boxed()))
        })
    }
}

fn classify(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let (kind, message) = if error.is_connect() {
        (ErrorKind::Connect, "no connection to the REST server")
    } else if error.is_timeout() {
        (ErrorKind::Timeout, "the REST server did not answer in time")
    } else if error.is_builder() {
        (ErrorKind::InvalidInput, "the request cannot be sent")
    } else {
        (ErrorKind::Disconnected, "the connection was lost before the answer was complete")
    };
    Error::new(kind, message).with_source(error)
}
