use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::HttpClient;

/// How the server writes replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Encoding {
    /// [`Encoding::Resp2`] if the server knows it, else [`Encoding::Base64`]. The first command that may be sent twice
    /// finds out, at the cost of one more request if the server does not.
    #[default]
    Auto,
    /// As Redis itself writes them (`Upstash-Response-Format: resp2`): smaller and faster to read, and every byte arrives
    /// as it was stored. Transactions are answered in base64 all the same.
    Resp2,
    /// As JSON with strings in base64 (`Upstash-Encoding: base64`), so that every byte arrives as it was stored.
    Base64,
    /// As JSON strings: what is not UTF-8 is lost. For servers that know neither.
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
    pub(super) idle_timeout: Option<Duration>,
    pub(super) http: Option<Arc<dyn HttpClient>>,
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
            idle_timeout: None,
            http: None,
        }
    }

    /// How replies are written. Default: [`Encoding::Auto`].
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

    /// Whether a read sees every write that this transport has been answered, whichever replica serves it, by Upstash's
    /// sync token. It costs a header; only after writes that overlapped, the next read costs one command more (an
    /// `UNLINK edgecask:sync` of a key that is never there), by which the primary gives a token for all of them.
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

    /// How long the stream of a subscription may be silent before it counts as lost: it is then opened again, and the
    /// subscriber shows the gap. Only for a server that sends comments meanwhile (`edgecask-server` does every 15
    /// seconds), or to a channel that is never silent for so long; Upstash does not say whether it sends any.
    /// Default: no limit. On native targets TCP's keepalive notices a server that is gone; `fetch` has nothing like it.
    #[must_use]
    pub fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = Some(limit);
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
            .field("read_your_writes", &self.read_your_writes)
            .finish_non_exhaustive()
    }
}
