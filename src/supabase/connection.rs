//! The state that the requests of one client share, and the sending of each.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use tracing::Instrument;

use super::names::invalid;
use super::options::SupabaseOptions;
use crate::command::Resend;
use crate::layer::Retries;
use crate::platform::{self, boxed};
use crate::transport::rest::{
    Endpoint, HttpClient, HttpLayer, HttpRequest, HttpResponse, layered_http_client, too_long,
};
use crate::{Error, ErrorKind, Result};

#[derive(Clone)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    http: Arc<dyn HttpClient>,
}

/// A connection, with the user and the schema of the requests that go over it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) token: Option<Arc<SecretString>>,
    pub(super) schema: Option<Arc<str>>,
}

impl Session {
    pub(super) fn with_access_token(&self, token: String) -> Self {
        Self { token: Some(Arc::new(token.into())), ..self.clone() }
    }

    pub(super) fn with_schema(&self, schema: String) -> Self {
        Self { schema: Some(schema.into()), ..self.clone() }
    }
}

struct Shared {
    endpoint: Endpoint,
    key: SecretString,
    client_info: String,
    timeout: Duration,
    retries: Retries,
    max_response_bytes: usize,
    max_url_bytes: usize,
}

/// A request, ready to be sent.
pub(super) struct Prepared {
    pub(super) method: Method,
    /// The path and the query, percent-encoded.
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: bytes::Bytes,
    pub(super) may_be_repeated: bool,
}

impl Connection {
    pub(super) fn new(options: SupabaseOptions) -> Result<Self> {
        if !options.path.is_empty() && !options.path.starts_with('/') {
            return Err(Error::new(
                ErrorKind::Config,
                "the path of PostgREST is empty or begins with a slash",
            ));
        }
        let base = [options.url.trim().trim_end_matches('/'), &options.path].concat();
        let endpoint = Endpoint::parse(&base, options.allow_http)?;
        let key = checked(options.key.expose_secret()).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "the key of Supabase is empty, or holds characters that no key has",
            )
        })?;
        let is_header = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_header(&options.client_info) {
            return Err(Error::new(
                ErrorKind::Config,
                "client_info cannot be the value of a header",
            ));
        }
        let http = layered_http_client(options.http, &options.http_layers, &endpoint)?;
        Ok(Self {
            http,
            shared: Arc::new(Shared {
                endpoint,
                key: key.to_owned().into(),
                client_info: options.client_info,
                timeout: options.timeout,
                // There is no table of requests as there is of commands: only those that are marked as safe are repeated.
                retries: Retries::new(options.retry.resend(Resend::Safe)),
                max_response_bytes: options.max_response_bytes,
                max_url_bytes: options.max_url_bytes,
            }),
        })
    }

    /// The URL of a WebSocket, with the key in it.
    #[cfg(all(feature = "realtime", not(target_arch = "wasm32")))]
    pub(super) fn websocket_url(&self, version: &str) -> String {
        let key = percent_encoding::utf8_percent_encode(
            self.shared.key.expose_secret(),
            percent_encoding::NON_ALPHANUMERIC,
        );
        let url = self.shared.endpoint.join(&format!("/websocket?apikey={key}&vsn={version}"));
        // `http` becomes `ws`, and `https` becomes `wss`.
        url.replacen("http", "ws", 1)
    }

    pub(super) fn http_layer(&self, layer: &impl HttpLayer) -> Self {
        Self { http: layer.wrap(Arc::clone(&self.http)), ..self.clone() }
    }

    /// The headers that identify the caller. A user's token replaces the key as the bearer token, never the other way round.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is a token, and it is empty or cannot be the value of a header.
    pub(super) fn identity(
        &self,
        token: Option<&SecretString>,
    ) -> Result<Vec<(&'static str, String)>> {
        let key = self.shared.key.expose_secret();
        let bearer = match token {
            None => key,
            Some(token) => checked(token.expose_secret()).ok_or_else(|| {
                invalid("the access token is empty, or holds characters that no token has")
            })?,
        };
        let mut headers =
            vec![("apikey", key.to_owned()), ("authorization", format!("Bearer {bearer}"))];
        if !self.shared.client_info.is_empty() {
            headers.push(("x-client-info", self.shared.client_info.clone()));
        }
        Ok(headers)
    }

    /// Removes the key and a user's token from an error.
    pub(super) fn without_secrets(&self, error: Error, token: Option<&SecretString>) -> Error {
        let key = self.shared.key.expose_secret().as_bytes();
        let token = token.map(|token| token.expose_secret().trim().as_bytes());
        error.redacted(std::iter::once(key).chain(token))
    }

    /// Sends a request, and repeats it while that is safe and may help. `read` turns an unsuccessful answer into an error.
    pub(super) async fn send<T: Send>(
        &self,
        request: Prepared,
        target: &str,
        read: impl Fn(HttpResponse) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let Prepared { method, path, headers, body, may_be_repeated } = request;
        let url = self.shared.endpoint.join(&path);
        let most = self.shared.max_url_bytes;
        if url.len() > most {
            let message = format!(
                "the URL would have more than {most} bytes: filter by fewer values at a time, call a function, or raise \
                 max_url_bytes"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let headers: Arc<[_]> = headers.into();
        let resend = if may_be_repeated { Resend::Safe } else { Resend::Unsafe };
        let span = tracing::debug_span!(
            "supabase",
            db.system.name = "postgresql",
            db.operation.name = method.as_str(),
            db.collection.name = target,
            error.r#type = tracing::field::Empty,
        );
        let attempt = || {
            let request = HttpRequest {
                method: method.clone(),
                url: url.clone(),
                headers: Arc::clone(&headers),
                header: None,
                body: body.clone(),
                max_response_bytes: self.shared.max_response_bytes,
            };
            let read = &read;
            boxed(move || async move { read(self.attempt(request).await?) })
        };
        let result =
            self.shared.retries.repeated(|| resend.into(), attempt).instrument(span.clone()).await;
        if let Err(error) = &result {
            span.record("error.type", error.kind().as_str());
        }
        result
    }

    async fn attempt(&self, request: HttpRequest) -> Result<HttpResponse> {
        let limit = self.shared.timeout;
        let answer = platform::timeout(limit, self.http.send(request)).await;
        let response = answer.unwrap_or_else(|| Err(Error::timed_out(limit)))?;
        // An HTTP client of the user's own may ignore the limit.
        if response.body.len() > self.shared.max_response_bytes {
            return Err(too_long(response.status, self.shared.max_response_bytes));
        }
        Ok(response)
    }
}

/// A key or a token, if it can be the value of a header.
fn checked(token: &str) -> Option<&str> {
    let token = token.trim();
    (!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())).then_some(token)
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shared.endpoint, f)
    }
}
