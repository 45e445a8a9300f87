//! The Upstash REST API: encode, send by HTTP, decode.

mod decode;
mod encode;
mod endpoint;
#[cfg(target_arch = "wasm32")]
mod fetch;
mod http_client;
mod negotiate;
mod options;
#[cfg(not(target_arch = "wasm32"))]
mod reqwest_client;
mod resp2;
mod sse;
mod sync_token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretString};

use self::decode::{Decoder, Strings};
use self::endpoint::Endpoint;
#[cfg(target_arch = "wasm32")]
pub use self::fetch::FetchClient;
pub use self::http_client::{HttpClient, HttpRequest, HttpResponse, HttpStream};
use self::negotiate::Negotiation;
pub use self::options::{Encoding, RestOptions};
#[cfg(not(target_arch = "wasm32"))]
pub use self::reqwest_client::ReqwestClient;
use self::sse::Topic;
use self::sync_token::{SyncTokens, Ticket};
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use crate::command::{Access, Command, Resend};
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// The transport over the Upstash REST API. It holds settings and, on native targets, a pool of connections; in a
/// Worker it holds no I/O object, so that requests may share it.
///
/// Arguments of a single command may be any bytes; inside pipelines and transactions the API takes UTF-8 only.
#[derive(Clone)]
pub struct RestTransport {
    shared: Arc<Shared>,
    sync: Option<Arc<SyncTokens>>,
}

/// What the sessions of one transport share.
struct Shared {
    endpoint: Endpoint,
    token: SecretString,
    encoding: Encoding,
    pipeline_commands: usize,
    pipeline_bytes: usize,
    idle_timeout: Option<Duration>,
    headers: Headers,
    negotiation: Negotiation,
    http: Arc<dyn HttpClient>,
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

/// How this one answer is to be written.
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
        let http = match options.http {
            Some(http) => http,
            None => default_http_client()?,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                endpoint,
                headers: Headers::new(token),
                token: token.to_owned().into(),
                encoding: options.encoding,
                pipeline_commands: options.pipeline_commands,
                pipeline_bytes: options.pipeline_bytes,
                idle_timeout: options.idle_timeout,
                negotiation: Negotiation::default(),
                http,
            }),
            sync: options.read_your_writes.then(Arc::default),
        })
    }

    /// A transport of the same settings and connections that has seen no writes yet. Give each request that a server
    /// handles its own: reads then wait for the writes of that request alone.
    #[must_use]
    pub fn session(&self) -> Self {
        let sync = self.sync.as_ref().map(|_| Arc::default());
        Self { shared: Arc::clone(&self.shared), sync }
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
        };
        let response = self.shared.http.post(request).await?;
        if let (Some(sync), Some(ticket)) = (&self.sync, ticket)
            && let Some(token) = response.header(SYNC_TOKEN).filter(|token| !token.is_empty())
        {
            sync.finish(&ticket, token);
        }
        Ok(response)
    }

    /// The token to carry. Where several stand for different writes, one that stands for all is fetched first.
    async fn ticket(&self, writes: bool) -> Option<Ticket> {
        let sync = self.sync.as_ref()?;
        if !writes && sync.is_split() {
            let joined = Box::pin(self.send(&Command::new("UNLINK").arg("edgecask:sync"))).await;
            if let Err(error) = joined {
                tracing::warn!(%error, "a read may miss one of two writes that overlapped");
            }
        }
        Some(sync.begin(writes))
    }

    fn decoder(&self, format: Format) -> Decoder<'_> {
        let strings = match format {
            Format::Json(strings) => strings,
            // Errors may come as JSON even so, and are never encoded.
            Format::Resp2 => Strings::Plain,
        };
        Decoder::new(strings, self.shared.token.expose_secret())
    }

    /// The format for JSON, where RESP2 is not to be had.
    fn json(&self) -> Format {
        Format::Json(match self.shared.encoding {
            Encoding::Plain => Strings::Plain,
            _ => Strings::Base64,
        })
    }

    /// Posts commands in the best format that the server knows.
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
                        return self.find_out(path, body, batch).await;
                    }
                }
            },
        };
        Ok((self.post(path, body, format, writes).await?, format))
    }

    /// Asks for RESP2, and again for base64 if the server does not know it and its answer lost something.
    async fn find_out(
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
                known.learn(batch, true);
                Ok((tried, Format::Resp2))
            }
            // It ignores what it does not know, and answers in plain JSON.
            200..300 if is_json => {
                known.learn(batch, false);
                if tried.body.windows(REPLACEMENT.len()).any(|bytes| bytes == REPLACEMENT) {
                    return Ok((self.post(path, body, self.json(), false).await?, self.json()));
                }
                Ok((tried, Format::Json(Strings::Plain)))
            }
            // It refuses what it does not know, or this command.
            400 if is_json => {
                let response = self.post(path, body, self.json(), false).await?;
                if (200..300).contains(&response.status) {
                    known.learn(batch, false);
                }
                Ok((response, self.json()))
            }
            // A page in between, a limit: it tells nothing about the server.
            _ => Ok((tried, Format::Resp2)),
        }
    }

    /// One request of a pipeline.
    async fn pipeline_part(&self, commands: &[Command]) -> Result<Results> {
        let body = encode::batch(commands)?;
        let (response, format) = self.negotiated("/pipeline", body, commands).await?;
        self.decoder(format).batch(&response, commands.len())
    }

    /// The length of the first request of a pipeline.
    fn part(&self, commands: &[Command]) -> usize {
        let mut bytes = 0;
        let fits = commands.iter().take(self.shared.pipeline_commands).take_while(|command| {
            bytes += encode::size_in_batch(command);
            bytes <= self.shared.pipeline_bytes
        });
        fits.count().max(1)
    }

    async fn open(&self, topic: Topic) -> Result<HttpStream> {
        let request = HttpRequest {
            url: self.shared.endpoint.join(&topic.path()),
            headers: Arc::clone(&self.shared.headers.events),
            header: None,
            body: Bytes::new(),
        };
        let mut answer = self.shared.http.open(request).await?;
        if answer.status == 200 {
            return Ok(answer);
        }
        let mut body = Vec::new();
        while let Some(piece) = answer.body.next().await {
            body.extend_from_slice(&piece?);
        }
        let response = HttpResponse::new(answer.status, |_| None, body);
        let refused = self.decoder(Format::Json(Strings::Plain)).single(&response);
        Err(refused.err().unwrap_or_else(|| {
            Error::new(ErrorKind::Protocol, "the answer is not a stream of events")
        }))
    }
}

/// Whether the primary carries the command out. Of a command that nobody knows, that is not certain.
fn certainly_writes(command: &Command) -> bool {
    let info = command.info();
    info.access == Access::Write && !info.name.is_empty()
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
            .subscriptions(self.shared.http.can_stream())
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        boxed(|| async move {
            let (path, body) = encode::single(command)?;
            let commands = std::slice::from_ref(command);
            let (response, format) = self.negotiated(&path, body, commands).await?;
            self.decoder(format).single(&response)
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let (first, mut rest) = commands.split_at(self.part(commands));
            let mut results = self.pipeline_part(first).await?;
            while !rest.is_empty() {
                let (part, after) = rest.split_at(self.part(rest));
                rest = after;
                match self.pipeline_part(part).await {
                    Ok(more) => results.extend(more),
                    // What was answered before is known; what would have come after was not sent.
                    Err(error) => {
                        results.extend(part.iter().map(|_| Err(error.clone())));
                        let unsent = error.with_outcome(Outcome::NotSent);
                        results.extend(rest.iter().map(|_| Err(unsent.clone())));
                        break;
                    }
                }
            }
            Ok(results)
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            let body = encode::batch(commands)?;
            let format = self.json();
            let response = self.post("/multi-exec", body, format, true).await?;
            self.decoder(format).transaction(&response, commands.len())
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(sse::messages(Topic::all(to), self.shared.idle_timeout, |topic| self.open(topic)))
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
