//! The Upstash REST API: encode, send by HTTP, decode.

mod decode;
mod encode;
mod endpoint;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod fetch;
mod http_client;
mod limits;
mod negotiate;
mod options;
#[cfg(all(feature = "reqwest", not(target_arch = "wasm32")))]
mod reqwest_client;
mod resp2;
mod sse;
mod sync_token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use secrecy::{ExposeSecret, SecretString};

#[cfg(feature = "supabase")]
pub(crate) use self::decode::retry_after;
use self::decode::{Decoder, Strings};
pub(crate) use self::endpoint::Endpoint;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub use self::fetch::FetchClient;
use self::http_client::Collected;
#[cfg(feature = "supabase")]
pub(crate) use self::http_client::is_success;
pub(crate) use self::http_client::too_long;
pub use self::http_client::{HttpClient, HttpLayer, HttpRequest, HttpResponse, HttpStream};
use self::limits::Limits;
use self::negotiate::Negotiation;
pub use self::options::{Encoding, RestOptions};
#[cfg(all(feature = "reqwest", not(target_arch = "wasm32")))]
pub use self::reqwest_client::ReqwestClient;
use self::sse::Topic;
use self::sync_token::{SyncTokens, Ticket};
use super::{
    Backend, Capabilities, Messages, Results, Subscription, Transport, in_parts, redacted,
};
use crate::command::{Access, Command, Resend};
use crate::platform::{self, BoxFuture, boxed};
use crate::{Error, ErrorKind, Result, Value};

/// The transport over the Upstash REST API. It holds settings and, on native targets, a pool of connections. In a Worker it
/// holds no I/O object, so that requests may share it.
///
/// Arguments of a single command may be any bytes; inside pipelines and transactions the API takes UTF-8 only.
#[derive(Clone)]
pub struct RestTransport {
    shared: Arc<Shared>,
    http: Arc<dyn HttpClient>,
    sync: Option<Arc<SyncTokens>>,
}

/// The state that the sessions of one transport share.
struct Shared {
    endpoint: Endpoint,
    token: SecretString,
    encoding: Encoding,
    pipeline_commands: usize,
    pipeline_bytes: usize,
    max_response_bytes: usize,
    max_event_bytes: usize,
    limits: Limits,
    idle_timeout: Option<Duration>,
    headers: Headers,
    negotiation: Negotiation,
}

/// The headers for each way to write replies.
struct Headers {
    resp2: HeaderList,
    base64: HeaderList,
    plain: HeaderList,
    events: HeaderList,
}

type HeaderList = Arc<[(&'static str, String)]>;

impl Headers {
    fn new(token: &str) -> Self {
        let with = |more: &[(&'static str, &str)]| -> HeaderList {
            let always = [
                ("authorization", format!("Bearer {token}")),
                ("content-type", "application/json".to_owned()),
            ];
            let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
            always.into_iter().chain(more).collect()
        };
        Self {
            resp2: with(&[("upstash-response-format", "resp2")]),
            base64: with(&[("upstash-encoding", "base64")]),
            plain: with(&[]),
            events: with(&[("accept", "text/event-stream"), ("cache-control", "no-cache")]),
        }
    }
}

/// The format that one answer is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Resp2,
    Json(Strings),
}

const SYNC_TOKEN: &str = "upstash-sync-token";

impl RestTransport {
    /// A transport with these settings. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL is not an `https://` one (or `http://` on this host), the token is empty or
    /// cannot be in a header, or there is no HTTP client: none is given, and the feature `reqwest` is off. Over `fetch` outside
    /// of a Worker, also if the URL's port is one that the Fetch standard
    /// [forbids](https://fetch.spec.whatwg.org/#port-blocking).
    pub fn new(options: RestOptions) -> Result<Self> {
        let endpoint = Endpoint::parse(&options.url, options.allow_http)?;
        let token = options.token.expose_secret().trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::new(
                ErrorKind::Config,
                "the REST token is empty, or holds characters that no token has",
            ));
        }
        let http = layered_http_client(options.http, &options.http_layers, &endpoint)?;
        Ok(Self {
            http,
            shared: Arc::new(Shared {
                endpoint,
                headers: Headers::new(token),
                token: token.to_owned().into(),
                encoding: options.encoding,
                pipeline_commands: options.pipeline_commands,
                pipeline_bytes: options.pipeline_bytes,
                max_response_bytes: options.max_response_bytes,
                max_event_bytes: options.max_event_bytes,
                limits: options.limits,
                idle_timeout: options.idle_timeout,
                negotiation: Negotiation::default(),
            }),
            sync: options.read_your_writes.then(Arc::default),
        })
    }

    /// A transport with the same settings and connections, and without sync tokens. Give each request that a server handles
    /// one of its own, so that reads wait for the writes of that request only.
    #[must_use]
    pub fn session(&self) -> Self {
        let sync = self.sync.as_ref().map(|_| Arc::default());
        Self { sync, ..self.clone() }
    }

    /// The same transport with a layer around its HTTP client. Give each request that a Worker handles a budget of its
    /// own:
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::layer::RequestBudget;
    /// use edgecask::transport::rest::{RestOptions, RestTransport};
    ///
    /// // Once.
    /// let shared = RestTransport::new(RestOptions::new("https://example.upstash.io", "token"))?;
    /// // For each request.
    /// let budget = RequestBudget::new().requests(50).start();
    /// let client = Client::new(shared.session().http_layer(budget.clone()));
    /// assert_eq!(budget.left(), 50);
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    #[must_use]
    pub fn http_layer(&self, layer: impl HttpLayer) -> Self {
        Self { http: layer.wrap(Arc::clone(&self.http)), ..self.clone() }
    }

    async fn post(
        &self,
        path: &str,
        body: Bytes,
        format: Format,
        writes: bool,
    ) -> Result<HttpResponse> {
        let ticket = self.ticket(writes).await;
        let headers = &self.shared.headers;
        let request = HttpRequest {
            method: Method::POST,
            url: self.shared.endpoint.join(path),
            headers: Arc::clone(match format {
                Format::Resp2 => &headers.resp2,
                Format::Json(Strings::Base64) => &headers.base64,
                Format::Json(Strings::Plain) => &headers.plain,
            }),
            header: ticket
                .as_ref()
                .map(|ticket| (SYNC_TOKEN, ticket.carried.clone().unwrap_or_default())),
            body,
            max_response_bytes: self.shared.max_response_bytes,
        };
        let response = self.http.post(request).await?;
        // An HTTP client of the user's own may ignore the limit.
        if response.body.len() > self.shared.max_response_bytes {
            return Err(too_long(response.status, self.shared.max_response_bytes));
        }
        if let (Some(sync), Some(ticket)) = (&self.sync, ticket)
            && let Some(token) = response.header(SYNC_TOKEN).filter(|token| !token.is_empty())
        {
            sync.finish(&ticket, token);
        }
        Ok(response)
    }

    /// The sync token for a request. If several tokens cover different writes, a token that covers all of them is fetched
    /// first.
    async fn ticket(&self, writes: bool) -> Option<Ticket> {
        let sync = self.sync.as_ref()?;
        if !writes && sync.is_split() {
            // The name is random, so that it is not a key of the user's.
            let name = platform::random().map(u128::from_le_bytes).unwrap_or_default();
            let command = Command::new("UNLINK").arg(format!("edgecask:sync:{name:032x}"));
            let joined = Box::pin(self.send(&command)).await;
            if let Err(error) = joined {
                tracing::warn!(%error, "a read may not see one of two writes that overlapped");
            }
        }
        Some(sync.begin(writes))
    }

    fn decoder(&self, format: Format) -> Decoder<'_> {
        let strings = match format {
            Format::Json(strings) => strings,
            // Errors may come as JSON all the same. Their strings are never encoded.
            Format::Resp2 => Strings::Plain,
        };
        Decoder::new(strings, self.shared.token.expose_secret(), self.shared.limits)
    }

    /// The JSON format, for requests that cannot be answered in RESP2.
    fn json(&self) -> Format {
        Format::Json(match self.shared.encoding {
            Encoding::Plain => Strings::Plain,
            _ => Strings::Base64,
        })
    }

    /// Posts commands, and asks for the best format that the server knows.
    async fn negotiated(
        &self,
        path: &str,
        body: Bytes,
        commands: &[Command],
    ) -> Result<(HttpResponse, Format)> {
        let writes = commands.iter().any(certainly_writes);
        let known = &self.shared.negotiation;
        let batch = path == "/pipeline";
        let format = match self.shared.encoding {
            Encoding::Resp2 => Format::Resp2,
            Encoding::Base64 | Encoding::Plain => self.json(),
            Encoding::Auto => match known.speaks_resp2(batch) {
                Some(true) => Format::Resp2,
                Some(false) => self.json(),
                None => {
                    let repeatable = |command: &Command| {
                        command.info().access == Access::Read && command.resend() == Resend::Safe
                    };
                    if !commands.iter().all(repeatable) {
                        self.json()
                    } else {
                        return self.negotiate(path, body, batch).await;
                    }
                }
            },
        };
        Ok((self.post(path, body, format, writes).await?, format))
    }

    /// Asks for RESP2. If the server does not know it and its plain answer lost bytes, the request is sent again for base64.
    async fn negotiate(
        &self,
        path: &str,
        body: Bytes,
        batch: bool,
    ) -> Result<(HttpResponse, Format)> {
        const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
        let known = &self.shared.negotiation;
        let tried = self.post(path, body.clone(), Format::Resp2, false).await?;
        let is_json = matches!(tried.body.first(), Some(b'{' | b'['));
        match tried.status {
            _ if resp2::is_resp2(&tried.body) => {
                known.record(batch, true);
                Ok((tried, Format::Resp2))
            }
            // The server ignores the unknown header and answers in plain JSON.
            200..300 if is_json => {
                known.record(batch, false);
                if tried.body.windows(REPLACEMENT.len()).any(|bytes| bytes == REPLACEMENT) {
                    return Ok((self.post(path, body, self.json(), false).await?, self.json()));
                }
                Ok((tried, Format::Json(Strings::Plain)))
            }
            // The server refuses the unknown header, or the command.
            400 if is_json => {
                let response = self.post(path, body, self.json(), false).await?;
                if (200..300).contains(&response.status) {
                    known.record(batch, false);
                }
                Ok((response, self.json()))
            }
            // The answer comes from a proxy, or is a rate limit. It does not show which formats the server supports.
            _ => Ok((tried, Format::Resp2)),
        }
    }

    /// One request of a pipeline.
    async fn pipeline_part(&self, commands: &[Command]) -> Result<Results> {
        let body = encode::batch(commands)?;
        let (response, format) = self.negotiated("/pipeline", body, commands).await?;
        self.redacted(commands, self.decoder(format).batch(&response, commands.len()))
    }

    fn without_token(&self, error: Error) -> Error {
        error.redacted([self.shared.token.expose_secret().as_bytes()])
    }

    fn redacted(&self, commands: &[Command], results: Result<Results>) -> Result<Results> {
        let clean = |error| self.without_token(error);
        let results = redacted(commands, results).map_err(clean)?;
        Ok(results.into_iter().map(|result| result.map_err(clean)).collect())
    }

    async fn open(&self, topic: Topic) -> Result<HttpStream> {
        let request = HttpRequest {
            method: Method::POST,
            url: self.shared.endpoint.join(&topic.path()?),
            headers: Arc::clone(&self.shared.headers.events),
            header: None,
            body: Bytes::new(),
            max_response_bytes: self.shared.max_response_bytes,
        };
        let mut answer = self.http.open(request).await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let mut body = Collected::new(answer.status, self.shared.max_response_bytes, None)?;
        while let Some(piece) = answer.body.next().await {
            if !body.push(piece?)? {
                break;
            }
        }
        let response = HttpResponse::new(answer.status, |_| None, body.finish());
        let refused = self.decoder(Format::Json(Strings::Plain)).single(&response);
        let refused = refused.err().unwrap_or_else(|| {
            Error::new(ErrorKind::Protocol, "the answer is not a stream of events")
        });
        let name = topic.name().map(|name| &name[..]);
        Err(self.without_token(refused.redacted(name)))
    }
}

/// Whether the primary certainly carries the command out. That is not certain for a command that is not in the table.
fn certainly_writes(command: &Command) -> bool {
    let info = command.info();
    info.access == Access::Write && !info.name.is_empty()
}

/// The HTTP client that is given, or else this build's own, inside of the layers.
///
/// # Errors
/// [`ErrorKind::Config`] if none is given and this build has none that reaches the endpoint.
pub(crate) fn layered_http_client(
    given: Option<Arc<dyn HttpClient>>,
    layers: &[Arc<dyn HttpLayer>],
    endpoint: &Endpoint,
) -> Result<Arc<dyn HttpClient>> {
    let http = match given {
        Some(http) => http,
        None => default_http_client(endpoint)?,
    };
    Ok(layers.iter().fold(http, |inner, layer| layer.wrap(inner)))
}

#[cfg(all(feature = "reqwest", not(target_arch = "wasm32")))]
fn default_http_client(_: &Endpoint) -> Result<Arc<dyn HttpClient>> {
    Ok(Arc::new(ReqwestClient::new()?))
}

#[cfg(not(any(
    all(feature = "reqwest", not(target_arch = "wasm32")),
    all(target_arch = "wasm32", target_os = "unknown")
)))]
fn default_http_client(_: &Endpoint) -> Result<Arc<dyn HttpClient>> {
    Err(Error::new(
        ErrorKind::Config,
        "this build has no HTTP client: set one by http_client, or turn on the feature reqwest on a native target",
    ))
}

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
fn default_http_client(endpoint: &Endpoint) -> Result<Arc<dyn HttpClient>> {
    if !platform::is_worker() {
        endpoint.check_for_fetch()?;
    }
    Ok(Arc::new(FetchClient::new()))
}

impl fmt::Debug for RestTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestTransport")
            .field("endpoint", &self.shared.endpoint)
            .field("encoding", &self.shared.encoding)
            .finish_non_exhaustive()
    }
}

impl Transport for RestTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis)
            .lua(true)
            .key_locking(true)
            .subscriptions(self.http.can_stream())
            .pipeline_limits(self.shared.pipeline_commands, self.shared.pipeline_bytes)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| async move {
            let (path, body) = encode::single(command)?;
            let commands = std::slice::from_ref(command);
            let (response, format) = self.negotiated(&path, body, commands).await?;
            let reply = self.decoder(format).single(&response);
            reply.map_err(|error| self.without_token(error.redacted(command.args())))
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| in_parts(self.capabilities(), commands, |part| self.pipeline_part(part)))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            if commands.is_empty() {
                return Ok(Vec::new());
            }
            let body = encode::batch(commands)?;
            let format = self.json();
            let response = self.post("/multi-exec", body, format, true).await?;
            let results = self.decoder(format).transaction(&response, commands.len());
            self.redacted(commands, results)
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        let Shared { idle_timeout, max_event_bytes, .. } = *self.shared;
        let open = |topic| self.open(topic);
        Box::pin(async move {
            sse::messages(Topic::all(to)?, idle_timeout, max_event_bytes, open).await
        })
    }

    fn sync_token(&self) -> Option<String> {
        self.sync.as_ref()?.export()
    }

    fn set_sync_token(&self, token: &str) {
        if let Some(sync) = &self.sync {
            sync.import(token);
        }
    }
}
