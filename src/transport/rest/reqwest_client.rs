use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::http_client::{HttpClient, HttpRequest, HttpResponse, HttpStream};
use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Result};

/// How long making a connection may take; the whole call is the business of [`Deadline`](crate::layer::Deadline).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// HTTP over reqwest: rustls, connections kept alive, HTTP/2 where the server offers it. It follows no redirects,
/// lest the token travel to another host.
#[derive(Debug, Clone)]
pub struct ReqwestClient(reqwest::Client);

impl ReqwestClient {
    /// A client with a pool of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if TLS cannot be set up on this system.
    pub fn new() -> Result<Self> {
        reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .map(Self)
            .map_err(|error| {
                Error::new(ErrorKind::Config, "the HTTP client cannot be set up").with_source(error)
            })
    }

    /// A client that the application configured itself: proxies, certificates, pool sizes.
    pub fn with(client: reqwest::Client) -> Self {
        Self(client)
    }
}

impl ReqwestClient {
    async fn send(&self, request: HttpRequest) -> Result<reqwest::Response> {
        let call = request
            .all_headers()
            .fold(self.0.post(&request.url), |call, (name, value)| call.header(name, value));
        call.body(request.body).send().await.map_err(classify)
    }
}

impl HttpClient for ReqwestClient {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        Box::pin(async move {
            let mut response = self.send(request).await?;
            let status = response.status().as_u16();
            let headers = std::mem::take(response.headers_mut());
            let body = response.bytes().await.map_err(classify)?;
            let header = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
            Ok(HttpResponse::new(status, header, body))
        })
    }

    fn can_stream(&self) -> bool {
        true
    }

    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        Box::pin(async move {
            let response = self.send(request).await?;
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
