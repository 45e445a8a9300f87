//! The Upstash REST API: encode, send by HTTP, decode.

mod decode;
mod encode;
mod endpoint;
mod features;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod fetch;
mod find_features;
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
pub use self::features::Feature;
use self::features::runs_script;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
pub use self::fetch::FetchClient;
use self::http_client::Collected;
pub(crate) use self::http_client::is_success;
pub(crate) use self::http_client::too_long;
pub use self::http_client::{HttpClient, HttpLayer, HttpRequest, HttpResponse, HttpStream};
use self::limits::Limits;
use self::negotiate::{Negotiation, Trial};
pub use self::options::{Encoding, RestOptions};
#[cfg(all(feature = "reqwest", not(target_arch = "wasm32")))]
pub use self::reqwest_client::ReqwestClient;
use self::sse::Topic;
use self::sync_token::{SyncTokens, Ticket};
use super::{
    Backend, Capabilities, Messages, Results, Subscription, Transport, in_parts, redacted,
};
use crate::command::{Access, Command, Resend, Script};
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
    /// Those of requests whose body is JSON.
    json: ByFormat,
    /// Those of commands in the path, whose body is an argument.
    bytes: ByFormat,
    events: HeaderList,
}

struct ByFormat {
    resp2: HeaderList,
    base64: HeaderList,
    plain: HeaderList,
}

impl ByFormat {
    fn list(&self, format: Format) -> &HeaderList {
        match format {
            Format::Resp2 => &self.resp2,
            Format::Json(Strings::Base64) => &self.base64,
            Format::Json(Strings::Plain) => &self.plain,
        }
    }
}

type HeaderList = Arc<[(&'static str, String)]>;

impl Headers {
    fn new(token: &str) -> Self {
        let with = |more: &[(&'static str, &str)]| -> HeaderList {
            let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
            std::iter::once(("authorization", format!("Bearer {token}"))).chain(more).collect()
        };
        let by_format = |content_type| {
            let content_type = ("content-type", content_type);
            ByFormat {
                resp2: with(&[content_type, ("upstash-response-format", "resp2")]),
                base64: with(&[content_type, ("upstash-encoding", "base64")]),
                plain: with(&[content_type]),
            }
        };
        Self {
            json: by_format("application/json"),
            bytes: by_format("application/octet-stream"),
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

/// Some servers and proxies put it before JSON.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
        let negotiation = Negotiation::default();
        for (feature, has) in options.features {
            negotiation.record(feature, has);
        }
        let reads_own_writes =
            options.read_your_writes && negotiation.has(Feature::SyncTokens) != Some(false);
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
                negotiation,
            }),
            sync: reads_own_writes.then(Arc::default),
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
        let is_json = matches!(path, "/" | "/pipeline" | "/multi-exec");
        let headers = if is_json { &headers.json } else { &headers.bytes };
        let request = HttpRequest {
            method: Method::POST,
            url: self.shared.endpoint.join(path),
            headers: Arc::clone(headers.list(format)),
            header: ticket
                .as_ref()
                .map(|ticket| (SYNC_TOKEN, ticket.carried.clone().unwrap_or_default())),
            body,
            max_response_bytes: self.shared.max_response_bytes,
        };
        let mut response = self.http.post(request).await?;
        if response.body.starts_with(BYTE_ORDER_MARK) {
            response.body = response.body.slice(BYTE_ORDER_MARK.len()..);
        }
        // An HTTP client of the user's own may ignore the limit.
        if response.body.len() > self.shared.max_response_bytes {
            return Err(too_long(response.status, self.shared.max_response_bytes));
        }
        let token = response.header(SYNC_TOKEN).filter(|token| !token.is_empty());
        let known = &self.shared.negotiation;
        if known.has(Feature::SyncTokens).is_none()
            && (token.is_some() || writes && is_success(response.status))
        {
            known.record(Feature::SyncTokens, token.is_some());
        }
        if let (Some(sync), Some(ticket), Some(token)) = (&self.sync, ticket, token) {
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
            Encoding::Auto if self.shared.negotiation.speaks_base64() == Some(false) => {
                Strings::Plain
            }
            _ => Strings::Base64,
        })
    }

    /// The format that an answer really has. A server that ignores `Upstash-Encoding` writes plain strings, and many plain
    /// strings are base64 too. So the server is asked once, when the first string has to be read.
    ///
    /// # Errors
    /// [`ErrorKind::Protocol`] if the server writes plain strings, and [`Encoding::Base64`] alone is wanted, or if it cannot be found out.
    async fn settled(&self, format: Format, response: &HttpResponse) -> Result<Format> {
        let known = &self.shared.negotiation;
        if format != Format::Json(Strings::Base64)
            || known.speaks_base64() == Some(true)
            || !decode::has_text(&response.body)
        {
            return Ok(format);
        }
        let speaks = match known.speaks_base64() {
            Some(speaks) => speaks,
            None => match self.echoes_base64().await {
                Some(speaks) => {
                    known.record(Feature::Base64, speaks);
                    speaks
                }
                // A reply that is cut off is in no format.
                None if serde_json::from_slice::<serde::de::IgnoredAny>(&response.body)
                    .is_err() =>
                {
                    true
                }
                None => {
                    let why =
                        "the reply may be in base64 or not: the request that asks for it failed";
                    return Err(Error::new(ErrorKind::Protocol, why).with_status(response.status));
                }
            },
        };
        match speaks {
            true => Ok(format),
            false if self.shared.encoding == Encoding::Base64 => {
                Err(Error::new(ErrorKind::Protocol, decode::IGNORES_BASE64)
                    .with_status(response.status))
            }
            false => Ok(Format::Json(Strings::Plain)),
        }
    }

    /// Asks for a known text in base64, and returns whether it was encoded. `None` if no answer shows it.
    async fn echoes_base64(&self) -> Option<bool> {
        const TEXT: &str = "in base64?";
        let (path, body) = encode::single(&Command::new("ECHO").arg(TEXT)).ok()?;
        let asked = Format::Json(Strings::Base64);
        let response = self.post(&path, body, asked, false).await.ok()?;
        let plain = self.decoder(Format::Json(Strings::Plain)).single(&response);
        match plain {
            Ok(Value::Bulk(text)) => Some(text != TEXT),
            // A server without ECHO follows the documentation, or it cannot be told apart from one that does.
            Err(error) if error.kind() == ErrorKind::Server => Some(true),
            _ => None,
        }
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
                    let may_try = commands.iter().all(repeatable);
                    match may_try.then(|| known.try_resp2(batch)).flatten() {
                        Some(trial) => return self.negotiate(path, body, batch, trial).await,
                        None => self.json(),
                    }
                }
            },
        };
        let response = self.post(path, body, format, writes).await?;
        let format = self.settled(format, &response).await?;
        Ok((response, format))
    }

    /// Asks for RESP2. If the server refuses that, or ignores it and its plain answer lost bytes, the request is sent again for
    /// base64.
    async fn negotiate(
        &self,
        path: &str,
        body: Bytes,
        batch: bool,
        trial: Trial<'_>,
    ) -> Result<(HttpResponse, Format)> {
        const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
        let tried = self.post(path, body.clone(), Format::Resp2, false).await?;
        if resp2::is_resp2(&tried.body) {
            trial.record(true);
            return Ok((tried, Format::Resp2));
        }
        let is_json = matches!(tried.body.first(), Some(b'{' | b'['));
        let is_error = || match batch {
            true => tried.body.first() == Some(&b'{'),
            false => self.decoder(Format::Json(Strings::Plain)).single(&tried).is_err(),
        };
        match tried.status {
            // The answer is a reply: the server ignores the unknown header and answers in plain JSON.
            200..300 if is_json && !is_error() => {
                trial.record(false);
                if !tried.body.windows(REPLACEMENT.len()).any(|bytes| bytes == REPLACEMENT) {
                    return Ok((tried, Format::Json(Strings::Plain)));
                }
                self.in_json(path, body).await
            }
            // It comes from a proxy, or is a rate limit. It says nothing about the formats of the server.
            401 | 403 | 429 | 500.. => Ok((tried, Format::Resp2)),
            // The server refuses the unknown header, or the command.
            _ => {
                let (response, format) = self.in_json(path, body).await?;
                if is_success(response.status) || response.status != tried.status {
                    trial.record(false);
                }
                Ok((response, format))
            }
        }
    }

    async fn in_json(&self, path: &str, body: Bytes) -> Result<(HttpResponse, Format)> {
        let asked = self.json();
        let response = self.post(path, body, asked, false).await?;
        let format = self.settled(asked, &response).await?;
        Ok((response, format))
    }

    /// One request of a pipeline.
    async fn pipeline_part(&self, commands: &[Command]) -> Result<Results> {
        self.require_scripts(commands)?;
        let body = encode::batch(commands)?;
        if let [command] = commands {
            // An answer of one array would be ambiguous: the reply, or a list of one reply.
            return match self.send(command).await {
                Err(error) if error.kind() != ErrorKind::Server => Err(error),
                reply => Ok(vec![reply]),
            };
        }
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
        let known = &self.shared.negotiation;
        let feature = match topic.name() {
            Some(_) => Feature::Subscriptions,
            None => Feature::Monitor,
        };
        known.require(feature)?;
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
            known.record(feature, true);
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
        let refused = match refused.err() {
            Some(error) => known.learn_endpoint::<Value>(feature, Err(error)).err(),
            None => None,
        };
        let refused = refused.unwrap_or_else(|| {
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
        let may_have = |feature| self.has(feature) != Some(false);
        Capabilities::new(Backend::Redis)
            .lua(may_have(Feature::Scripts))
            .key_locking(may_have(Feature::Scripts) && may_have(Feature::KeyLocking))
            .subscriptions(may_have(Feature::Subscriptions) && self.http.can_stream())
            .pipeline_limits(self.shared.pipeline_commands, self.shared.pipeline_bytes)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| async move {
            let known = &self.shared.negotiation;
            let (path, body) = encode::single(command)?;
            let is_path_command = path != "/";
            if is_path_command {
                known.require(Feature::PathCommands)?;
            }
            let commands = std::slice::from_ref(command);
            self.require_scripts(commands)?;
            let (response, format) = self.negotiated(&path, body, commands).await?;
            let mut reply = self.decoder(format).single(&response);
            if is_path_command {
                reply = known.learn_endpoint(Feature::PathCommands, reply);
            }
            if runs_script(command) {
                self.learn_scripts(&reply);
            }
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
            let known = &self.shared.negotiation;
            known.require(Feature::Transactions)?;
            self.require_scripts(commands)?;
            let body = encode::batch(commands)?;
            let format = self.json();
            let response = self.post("/multi-exec", body, format, true).await?;
            let format = self.settled(format, &response).await?;
            let results = self.decoder(format).transaction(&response, commands.len());
            self.redacted(commands, known.learn_endpoint(Feature::Transactions, results))
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

    fn register(&self, _: &Script) {}
}
