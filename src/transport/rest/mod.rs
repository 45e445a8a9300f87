//! The Upstash REST API: encode, send by HTTP, decode.

mod decode;
mod encode;
mod endpoint;
#[cfg(target_arch = "wasm32")]
mod fetch;
mod http_client;
#[cfg(not(target_arch = "wasm32"))]
mod reqwest_client;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use self::decode::Decoder;
use self::endpoint::Endpoint;
#[cfg(target_arch = "wasm32")]
pub use self::fetch::FetchClient;
pub use self::http_client::{HttpClient, HttpRequest, HttpResponse};
#[cfg(not(target_arch = "wasm32"))]
pub use self::reqwest_client::ReqwestClient;
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use crate::command::Command;
use crate::platform::BoxFuture;
use crate::{Error, ErrorKind, Result, Value};

/// How the server writes the strings of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// In base64, so that every byte arrives as it was stored.
    #[default]
    Base64,
    /// As JSON strings: what is not UTF-8 is lost. For servers that do not know `Upstash-Encoding`.
    Plain,
}

/// The settings of a [`RestTransport`].
///
/// ```
/// use edgecask::transport::rest::{Encoding, RestOptions};
///
/// let options = RestOptions::new("https://example.upstash.io", "token").encoding(Encoding::Plain);
/// // The token is in no output.
/// assert!(!format!("{options:?}").contains("\"token\""));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct RestOptions {
    url: String,
    token: SecretString,
    encoding: Encoding,
    allow_http: bool,
    http: Option<Arc<dyn HttpClient>>,
}

impl RestOptions {
    /// The URL and the token that the Upstash console shows.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: token.into().into(),
            encoding: Encoding::default(),
            allow_http: false,
            http: None,
        }
    }

    /// How replies are written. Default: [`Encoding::Base64`].
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Lets the token travel unencrypted to a host other than this one. Default: `false`.
    #[must_use]
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// The HTTP client. Default: reqwest on native targets, `fetch` on wasm32.
    #[must_use]
    pub fn http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Some(Arc::new(http));
        self
    }
}

impl fmt::Debug for RestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestOptions")
            .field("encoding", &self.encoding)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

/// The transport over the Upstash REST API. It holds settings and, on native targets, a pool of connections; in a
/// Worker it holds no I/O object, so that requests may share it.
///
/// Arguments of a single command may be any bytes; inside pipelines and transactions the API takes UTF-8 only.
#[derive(Clone)]
pub struct RestTransport {
    endpoint: Endpoint,
    token: SecretString,
    encoding: Encoding,
    headers: Arc<[(&'static str, String)]>,
    http: Arc<dyn HttpClient>,
}

impl RestTransport {
    /// A transport with these settings. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is not an `https://` one (or `http://` on this host), or the token is empty or
    /// cannot be in a header.
    pub fn new(options: RestOptions) -> Result<Self> {
        let endpoint = Endpoint::parse(&options.url, options.allow_http)?;
        let token = options.token.expose_secret().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::Config,
                "the REST token is empty, or holds characters that no token has",
            ));
        }
        let mut headers = vec![
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/json".to_owned()),
        ];
        if options.encoding == Encoding::Base64 {
            headers.push(("upstash-encoding", "base64".to_owned()));
        }
        let http = match options.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        Ok(Self {
            endpoint,
            token: token.to_owned().into(),
            encoding: options.encoding,
            headers: headers.into(),
            http,
        })
    }

    async fn post(&self, path: &str, body: Bytes) -> Result<HttpResponse> {
        let request =
            HttpRequest { url: self.endpoint.join(path), headers: Arc::clone(&self.headers), body };
        self.http.post(request).await
    }

    fn decoder(&self) -> Decoder<'_> {
        Decoder::new(self.encoding, self.token.expose_secret())
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn default_http_client() -> Result<Arc<dyn HttpClient>> {
    Ok(Arc::new(ReqwestClient::new()?))
}

#[cfg(target_arch = "wasm32")]
fn default_http_client() -> Result<Arc<dyn HttpClient>> {
    Ok(Arc::new(FetchClient::new()))
}

impl fmt::Debug for RestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestTransport")
            .field("endpoint", &self.endpoint)
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

impl Transport for RestTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis).lua(true)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            let (path, body) = encode::single(command)?;
            let response = self.post(&path, body).await?;
            self.decoder().single(&response)
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let response = self.post("/pipeline", encode::batch(commands)?).await?;
            self.decoder().batch(&response, commands.len())
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            let response = self.post("/multi-exec", encode::batch(commands)?).await?;
            self.decoder().transaction(&response, commands.len())
        })
    }

    fn subscribe<'a>(&'a self, _to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(async {
            Err(Error::new(
                ErrorKind::Unsupported,
                "subscriptions are not possible over REST: use TCP or the embedded engine",
            ))
        })
    }
}
