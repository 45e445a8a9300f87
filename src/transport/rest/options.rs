use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::limits::Limits;
use super::{Feature, HttpClient, HttpLayer};

/// How the server writes replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// [`Encoding::Resp2`] if the server knows it, else [`Encoding::Base64`]. The first command that may be sent twice finds
    /// out. If the server does not know RESP2, that costs one more request.
    #[default]
    Auto,
    /// The protocol of Redis (`Upstash-Response-Format: resp2`). It is smaller and faster to read, and every byte arrives as it
    /// was stored. Transactions are still answered in base64.
    Resp2,
    /// As JSON with strings in base64 (`Upstash-Encoding: base64`), so that every byte arrives as it was stored.
    Base64,
    /// JSON strings, for servers that know neither of the others. Bytes that are not UTF-8 are lost.
    Plain,
}

/// The settings of a [`RestTransport`](super::RestTransport).
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
    pub(super) url: String,
    pub(super) token: SecretString,
    pub(super) encoding: Encoding,
    pub(super) allow_http: bool,
    pub(super) read_your_writes: bool,
    pub(super) pipeline_commands: usize,
    pub(super) pipeline_bytes: usize,
    pub(super) max_response_bytes: usize,
    pub(super) max_event_bytes: usize,
    pub(super) limits: Limits,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) http: Option<Arc<dyn HttpClient>>,
    pub(super) http_layers: Vec<Arc<dyn HttpLayer>>,
    pub(super) features: Vec<(Feature, bool)>,
}

impl RestOptions {
    /// The URL and the token that the Upstash console shows.
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: token.into().into(),
            encoding: Encoding::default(),
            allow_http: false,
            read_your_writes: true,
            pipeline_commands: 1000,
            pipeline_bytes: 8 * 1024 * 1024,
            max_response_bytes: 32 * 1024 * 1024,
            max_event_bytes: 16 * 1024 * 1024,
            limits: Limits::default(),
            idle_timeout: None,
            http: None,
            http_layers: Vec::new(),
            features: Vec::new(),
        }
    }

    /// How replies are written. Default: [`Encoding::Auto`].
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Declares that the server has a feature or lacks it, so that the client need not find out. What the server lacks fails
    /// before anything is sent, and [`Client::capabilities`](crate::Client::capabilities) shows it. Default: nothing is
    /// declared.
    ///
    /// ```
    /// use edgecask::Client;
    /// use edgecask::transport::rest::{Feature, RestOptions};
    ///
    /// let options = RestOptions::new("http://127.0.0.1:8080", "token").feature(Feature::Subscriptions, false);
    /// assert!(!Client::rest_with(options)?.capabilities().subscriptions);
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    #[must_use]
    pub fn feature(mut self, feature: Feature, has: bool) -> Self {
        self.features.push((feature, has));
        self
    }

    /// Allows `http://` URLs of other hosts, over which the token is sent unencrypted. Default: `false`.
    #[must_use]
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// Whether a read sees every write of this transport that was answered before, whichever replica serves the read. It uses
    /// Upstash's sync token, and costs a header. After writes that overlapped, the next read costs one more command: an UNLINK
    /// of a key with a random name under `edgecask:sync:`, to which the primary answers with a token for all of the writes.
    /// Default: `true`.
    #[must_use]
    pub fn read_your_writes(mut self, yes: bool) -> Self {
        self.read_your_writes = yes;
        self
    }

    /// How many commands and how many bytes one request of a pipeline may have. A longer pipeline goes in several
    /// requests, one after the other. Default: 1000 commands and 8 MB; Upstash takes 10 MB.
    #[must_use]
    pub fn pipeline_limits(mut self, commands: usize, bytes: usize) -> Self {
        self.pipeline_commands = commands.max(1);
        self.pipeline_bytes = bytes;
        self
    }

    /// The most bytes that an answer may have. A longer one is an error of kind
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol), and no more of it is read. Of an answer without success at most
    /// 64 KiB are read. A record of Upstash may have 100 MB and more: raise the limit to read such records. Default: 32 MiB.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// The most bytes that a message of a subscription may have, as the server writes it. A longer one ends the stream of the
    /// subscription, as a lost connection does. Default: 16 MiB. Upstash accepts messages of 10 MB.
    #[must_use]
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes;
        self
    }

    /// The most values that an answer may hold. The values of all commands of a batch and those inside of arrays count
    /// together. A value takes about 50 bytes of memory, and may be sent in 2. An answer with more values is an error of kind
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol). Default: 500,000.
    #[must_use]
    pub fn max_values(mut self, values: usize) -> Self {
        self.limits.values = values;
        self
    }

    /// How deep arrays may be nested in a reply, at most 120. A deeper one is an error of kind
    /// [`ErrorKind::Protocol`](crate::ErrorKind::Protocol). Default: 120. Commands of Redis nest a few levels deep; scripts may
    /// nest deeper.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.limits.depth = depth.min(Limits::DEEPEST);
        self
    }

    /// Puts a layer around the HTTP client, such as a [`RequestBudget`](crate::layer::RequestBudget). The layer that is
    /// added last sees a request first.
    #[must_use]
    pub fn http_layer(mut self, layer: impl HttpLayer) -> Self {
        self.http_layers.push(Arc::new(layer));
        self
    }

    /// How long the stream of a subscription may be silent before it counts as lost. It is then opened again, and the
    /// subscriber shows the gap. Set it only if the server sends comments while nothing is published, or if the channel is
    /// never silent for so long. `edgecask-server` sends a comment every 15 seconds; Upstash does not document any.
    /// Default: no limit. On native targets TCP's keepalive detects a server that is gone. `fetch` has no such mechanism.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
        self
    }

    /// The HTTP client. Default: reqwest on native targets (feature `reqwest`), `fetch` on a JavaScript host. On WASI there is
    /// none: `examples/wasi.rs` has one over `wasi:http`.
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
            .field("read_your_writes", &self.read_your_writes)
            .finish_non_exhaustive()
    }
}
