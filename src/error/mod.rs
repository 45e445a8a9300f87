//! The error type: what went wrong, with which command, and whether the command may have been carried out.

mod redaction;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error that a user's own code (a backing store, a loader) may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What kind of thing went wrong.
///
/// ```
/// use edgecask::ErrorKind;
///
/// assert_eq!(ErrorKind::CircuitOpen.as_str(), "CircuitOpen");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing, malformed or contradicts another. The message names the setting.
    Config,
    /// The arguments of this call are wrong; nothing was sent.
    InvalidInput,
    /// The transport cannot serve this call; nothing was sent.
    Unsupported,
    /// No connection could be made; nothing was sent.
    Connect,
    /// Nothing was sent, because the server did not answer the last calls; see
    /// [`CircuitBreaker`](crate::layer::CircuitBreaker).
    CircuitOpen,
    /// Nothing was sent, because a limit of this client is used up: the subrequests of a
    /// [`RequestBudget`](crate::layer::RequestBudget), or over TCP the connections for commands that wait. The server is
    /// not the reason.
    BudgetSpent,
    /// No answer within the time allowed.
    Timeout,
    /// The connection was lost, or the answer ended in the middle, after the request was sent.
    Disconnected,
    /// The token or password was refused.
    Unauthorized,
    /// The server asked for fewer requests (HTTP 429).
    Throttled,
    /// An HTTP answer that does not come from a Redis REST server, such as a proxy's error page.
    Http,
    /// An answer that is not of the protocol.
    Protocol,
    /// Redis answered with an error; see [`Error::code`].
    Server,
    /// A transaction was discarded as a whole; none of its commands ran.
    Discarded,
    /// Another client changed the value again and again; see [`Client::update`](crate::Client::update).
    Conflict,
    /// There is no such value, and the caller asked for one; see [`Call::required`](crate::Call::required).
    NotFound,
    /// The reply arrived, but is not of the Rust type that was asked for.
    Type,
    /// A value could not be turned into bytes, or stored bytes into a value.
    Codec,
    /// A backing store or loader failed. Its own error is the [`source`](std::error::Error::source); see [`Error::store`].
    Store,
}

impl ErrorKind {
    /// The name of the variant, such as `InvalidInput`: the `kind` of an error in JavaScript, and the label of metrics and
    /// spans. It does not change between versions.
    ///
    /// ```
    /// assert_eq!(edgecask::ErrorKind::InvalidInput.as_str(), "InvalidInput");
    /// ```
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Config => "Config",
            Self::InvalidInput => "InvalidInput",
            Self::Unsupported => "Unsupported",
            Self::Connect => "Connect",
            Self::CircuitOpen => "CircuitOpen",
            Self::BudgetSpent => "BudgetSpent",
            Self::Timeout => "Timeout",
            Self::Disconnected => "Disconnected",
            Self::Unauthorized => "Unauthorized",
            Self::Throttled => "Throttled",
            Self::Http => "Http",
            Self::Protocol => "Protocol",
            Self::Server => "Server",
            Self::Discarded => "Discarded",
            Self::Conflict => "Conflict",
            Self::NotFound => "NotFound",
            Self::Type => "Type",
            Self::Codec => "Codec",
            Self::Store => "Store",
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::Config => "bad configuration",
            Self::InvalidInput => "invalid input",
            Self::Unsupported => "not supported",
            Self::Connect => "cannot connect",
            Self::CircuitOpen => "circuit open",
            Self::BudgetSpent => "budget spent",
            Self::Timeout => "timed out",
            Self::Disconnected => "connection lost",
            Self::Unauthorized => "unauthorized",
            Self::Throttled => "throttled",
            Self::Http => "unexpected HTTP answer",
            Self::Protocol => "unexpected answer",
            Self::Server => "server error",
            Self::Discarded => "transaction discarded",
            Self::Conflict => "conflict",
            Self::NotFound => "not found",
            Self::Type => "unexpected type",
            Self::Codec => "codec error",
            Self::Store => "store error",
        }
    }
}

/// What is known of the effect of a command that failed. A retry is always safe after [`Outcome::NotSent`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was not sent, so it was certainly not carried out.
    NotSent,
    /// The server received it and answered with an error.
    Refused,
    /// It may have been sent, and it is not known whether it was carried out.
    Unknown,
    /// It was carried out; only its reply could not be used.
    Completed,
}

/// An error of any part of Edgecask.
///
/// The message names the command and its key, never a value and never a token. Errors are cheap to clone, so
/// that one failure can be handed to several waiters.
///
/// ```
/// use edgecask::{Error, ErrorKind, Outcome};
///
/// let error = Error::new(ErrorKind::Connect, "connection refused");
/// assert_eq!(error.kind(), ErrorKind::Connect);
/// assert_eq!(error.outcome(), Outcome::NotSent);
/// assert_eq!(error.to_string(), "cannot connect: connection refused");
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Inner>);

#[derive(Clone, thiserror::Error)]
#[error("{}{}: {message}{}", Prefix(command), kind.describe(), Suffix(*attempts, *elapsed))]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    message: Cow<'static, str>,
    /// The position in the message where the server's text begins.
    quoted_from: Option<usize>,
    code: Option<Box<str>>,
    command: Option<Box<str>>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    attempts: u32,
    elapsed: Option<Duration>,
    /// In a box, so that the derived `source` gives the error itself, which callers downcast, and not the `Arc`.
    source: Option<Arc<BoxError>>,
}

impl Error {
    /// An error of `kind`. Its outcome is the one that the kind implies; see [`Error::with_outcome`].
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        let outcome = match kind {
            ErrorKind::Config
            | ErrorKind::InvalidInput
            | ErrorKind::Unsupported
            | ErrorKind::Connect
            | ErrorKind::CircuitOpen
            | ErrorKind::BudgetSpent => Outcome::NotSent,
            ErrorKind::Unauthorized
            | ErrorKind::Throttled
            | ErrorKind::Server
            | ErrorKind::Discarded
            | ErrorKind::Conflict => Outcome::Refused,
            ErrorKind::NotFound | ErrorKind::Type | ErrorKind::Codec => Outcome::Completed,
            ErrorKind::Timeout
            | ErrorKind::Disconnected
            | ErrorKind::Http
            | ErrorKind::Protocol
            | ErrorKind::Store => Outcome::Unknown,
        };
        Self(Box::new(Inner {
            kind,
            outcome,
            message: message.into(),
            quoted_from: None,
            code: None,
            command: None,
            status: None,
            retry_after: None,
            attempts: 1,
            elapsed: None,
            source: None,
        }))
    }

    /// An error reply of Redis, such as `WRONGTYPE Operation against a key …`. If Redis repeats the command's arguments, they
    /// are cut off, because they may contain secrets.
    ///
    /// ```
    /// use edgecask::{Error, ErrorKind};
    ///
    /// let error = Error::server("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("WRONGTYPE")));
    /// ```
    pub fn server(reply: &str) -> Self {
        const ECHOES: [&str; 2] = [", with args beginning with:", ", command was:"];
        let reply = ECHOES
            .iter()
            .filter_map(|echo| reply.find(echo))
            .min()
            .map_or(reply, |at| &reply[..at]);
        let (code, kind) = match reply.split_once(' ').map_or(reply, |(code, _)| code) {
            code @ ("WRONGPASS" | "NOAUTH") => (Some(code), ErrorKind::Unauthorized),
            "EXECABORT" => (Some("EXECABORT"), ErrorKind::Discarded),
            code if !code.is_empty()
                && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') =>
            {
                (Some(code), ErrorKind::Server)
            }
            _ => (None, ErrorKind::Server),
        };
        Self::quoting(kind, String::new(), reply).with_code(code)
    }

    /// An error whose message ends in words of the server.
    pub(crate) fn quoting(kind: ErrorKind, own: String, quoted: &str) -> Self {
        /// The text of a server has no limit of its own.
        const LONGEST: usize = 500;
        let start = own.len();
        let cut = quoted.char_indices().nth(LONGEST).map(|(at, _)| &quoted[..at]);
        let message = match cut {
            Some(cut) => [&own, cut, "…"].concat(),
            None => own + quoted,
        };
        let mut error = Self::new(kind, message);
        error.0.quoted_from = Some(start);
        error
    }

    /// An error of another kind in the same words of the server.
    #[cfg(feature = "rest")]
    pub(crate) fn into_kind(self, kind: ErrorKind) -> Self {
        let mut error = Self::new(kind, "");
        error.0.message = self.0.message;
        error.0.quoted_from = self.0.quoted_from;
        error
    }

    pub(crate) fn with_code(mut self, code: Option<&str>) -> Self {
        /// No code of Redis is half as long.
        const LONGEST: usize = 40;
        self.0.code = code.filter(|code| code.len() <= LONGEST).map(Into::into);
        self
    }

    /// The same error with these arguments removed from the server's text. Each word of at least 3 bytes that is part of an
    /// argument, or that an argument is part of, becomes `…`. The words of Redis's own messages stay, and so does the text of
    /// this crate. A transport calls it with all arguments of the command.
    ///
    /// ```
    /// use edgecask::Error;
    ///
    /// let error = Error::server("ERR Error in ACL SETUSER modifier '<hunter2': Syntax error");
    /// let error = error.redacted([b"bob".as_slice(), b"<hunter2"]);
    /// assert_eq!(error.message(), "ERR Error in ACL SETUSER modifier '…': Syntax error");
    /// ```
    #[must_use]
    pub fn redacted<'a>(mut self, args: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let inner_error = |source: &Arc<BoxError>| {
            source.downcast_ref::<Self>().is_some_and(|error| error.0.quoted_from.is_some())
        };
        let has_inner = self.0.source.as_ref().is_some_and(inner_error);
        if self.0.quoted_from.is_none() && !has_inner {
            return self;
        }
        let args: Vec<&[u8]> =
            args.into_iter().filter(|arg| arg.len() >= redaction::SHORTEST_SECRET).collect();
        if let Some(source) =
            self.0.source.as_ref().and_then(|source| source.downcast_ref::<Self>())
        {
            self.0.source = Some(Arc::new(Box::new(source.clone().redacted(args.iter().copied()))));
        }
        if let Some(start) = self.0.quoted_from {
            let (own, quoted) = self.0.message.split_at(start);
            let code = self.0.code.as_deref().filter(|code| {
                let is_argument = |arg: &&[u8]| arg.starts_with(code.as_bytes());
                redaction::is_common(code) || !args.iter().any(is_argument)
            });
            let clean = redaction::without(&args, quoted, code);
            let message = [own, &clean].concat();
            self.0.code = code.map(Into::into);
            self.0.message = message.into();
        }
        self
    }

    /// A transaction that was discarded because of this error: the same text and code.
    #[must_use]
    pub fn into_discarded(self) -> Self {
        let mut error = self.clone();
        error.0.kind = ErrorKind::Discarded;
        error.0.outcome = Outcome::Refused;
        error.with_source(self)
    }

    /// Wraps the error of a user's backing store; an [`Error`] inside stays what it is.
    ///
    /// The text of a foreign error may hold a secret, such as the address of a database with its password. So neither
    /// `Display` nor `Debug` of the new error repeats it, and no log line of this crate does. The foreign error is the
    /// [`source`](std::error::Error::source), for callers that know what it may say.
    ///
    /// ```
    /// use std::error::Error as _;
    /// use edgecask::Error;
    ///
    /// let error = Error::store("no rows at postgres://ada:secret@db");
    /// assert_eq!(error.to_string(), "store error: the backing store failed");
    /// assert!(!format!("{error:?}").contains("secret"));
    /// assert!(error.source().is_some_and(|source| source.to_string().contains("no rows")));
    /// ```
    pub fn store(error: impl Into<BoxError>) -> Self {
        Self::foreign("the backing store failed", error.into())
    }

    /// Wraps the error of a user's loader as [`Error::store`] does that of a backing store.
    pub(crate) fn loader(error: impl Into<BoxError>) -> Self {
        Self::foreign("the loader failed", error.into())
    }

    fn foreign(what: &'static str, error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::new(ErrorKind::Store, what).with_source(other),
        }
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the command may have been carried out.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The first word of a Redis error reply: `ERR`, `WRONGTYPE`, `NOSCRIPT`, …
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The error's own sentence, without command and kind.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// How long the server asked to wait before the next try (HTTP `Retry-After`).
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How often the command was tried. It is more than 1 only after a [`Retry`](crate::layer::Retry).
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// How long all attempts took together, with the waits between them, after a [`Retry`](crate::layer::Retry).
    pub fn elapsed(&self) -> Option<Duration> {
        self.0.elapsed
    }

    /// Whether the same call may succeed later without a change to it or to the configuration: the server cannot be reached,
    /// did not answer, is overloaded or is starting.
    ///
    /// It does not tell whether the call may be sent again now: that depends on the [outcome](Error::outcome) and on the
    /// command. [`Retry`](crate::layer::Retry) looks at both.
    ///
    /// ```
    /// use edgecask::{Error, ErrorKind};
    ///
    /// assert!(Error::new(ErrorKind::Timeout, "no answer within 5s").is_transient());
    /// assert!(Error::server("LOADING Redis is loading the dataset in memory").is_transient());
    /// assert!(!Error::server("ERR syntax error").is_transient());
    /// ```
    pub fn is_transient(&self) -> bool {
        const CODES: [&str; 7] =
            ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOREPLICAS", "READONLY", "TRYAGAIN"];
        match self.kind() {
            ErrorKind::Connect
            | ErrorKind::CircuitOpen
            | ErrorKind::Throttled
            | ErrorKind::Conflict => true,
            ErrorKind::Server | ErrorKind::Discarded => {
                self.code().is_some_and(|code| CODES.contains(&code))
            }
            _ => self.is_loss(),
        }
    }

    /// The command that failed and its first key, such as `GET copilot:llm:policy:acme`.
    pub fn command(&self) -> Option<&str> {
        self.0.command.as_deref()
    }

    /// Sets what is known of the command's effect.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Sets the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Sets how long the server asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Sets how often the command was tried, and how long all attempts took together.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32, elapsed: Duration) -> Self {
        self.0.attempts = attempts;
        self.0.elapsed = Some(elapsed);
        self
    }

    /// Names the command that failed, unless the error already names one. The innermost caller knows the command best.
    #[must_use]
    pub fn with_command(mut self, command: impl FnOnce() -> String) -> Self {
        if self.0.command.is_none() {
            self.0.command = Some(command().into());
        }
        self
    }

    /// Whether the connection or the answer was lost, or an error page of a server in trouble came in place of a reply. An
    /// error page with a status below 500 comes from a wrong URL.
    pub(crate) fn is_loss(&self) -> bool {
        match self.kind() {
            ErrorKind::Timeout | ErrorKind::Disconnected => true,
            ErrorKind::Http => self.status().is_none_or(|status| status >= 500),
            _ => false,
        }
    }

    /// The error of a call that took longer than its limit.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        Self::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
    }

    /// Sets the underlying error. Its text must be free of values and secrets.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(Arc::new(source.into()));
        self
    }
}

/// The command before a message.
struct Prefix<'a>(&'a Option<Box<str>>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(command) => write!(f, "{command}: "),
            None => Ok(()),
        }
    }
}

/// The attempts after a message, if there were several.
struct Suffix(u32, Option<Duration>);

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(attempts @ 2.., Some(elapsed)) => {
                write!(f, " ({attempts} attempts in {} ms)", elapsed.as_millis())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Fields without a value are left out, and so is the source of [`Error::store`], whose text may hold a secret.
impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.kind)
            .field("message", &self.message)
            .field("outcome", &self.outcome);
        if let Some(code) = &self.code {
            out.field("code", code);
        }
        if let Some(command) = &self.command {
            out.field("command", command);
        }
        if let Some(status) = &self.status {
            out.field("status", status);
        }
        if let Some(wait) = &self.retry_after {
            out.field("retry_after", wait);
        }
        if let Some(elapsed) = &self.elapsed {
            out.field("attempts", &self.attempts).field("elapsed", elapsed);
        }
        let may_show =
            |source: &&Arc<BoxError>| self.kind != ErrorKind::Store || source.is::<Error>();
        if let Some(source) = self.source.as_ref().filter(may_show) {
            out.field("source", source);
        }
        out.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_error_never_repeats_arguments() {
        let error = Error::server(
            "ERR unknown command 'FOO', with args beginning with: 'secret' 'password'",
        );
        assert_eq!(error.message(), "ERR unknown command 'FOO'");
        let error = Error::server("ERR internal, command was: [\"set\",\"k\",\"secret\"]");
        assert_eq!(error.message(), "ERR internal");
    }

    #[test]
    fn an_own_error_survives_the_trip_through_a_store() {
        let error = Error::store(BoxError::from(Error::new(ErrorKind::Timeout, "5 s")));
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let error = Error::store("table is gone");
        assert_eq!(error.to_string(), "store error: the backing store failed");
    }

    #[test]
    fn every_kind_is_named_as_its_variant() {
        for kind in KINDS {
            assert_eq!(kind.as_str(), format!("{kind:?}"));
        }
    }

    const KINDS: [ErrorKind; 19] = [
        ErrorKind::Config,
        ErrorKind::InvalidInput,
        ErrorKind::Unsupported,
        ErrorKind::Connect,
        ErrorKind::CircuitOpen,
        ErrorKind::BudgetSpent,
        ErrorKind::Timeout,
        ErrorKind::Disconnected,
        ErrorKind::Unauthorized,
        ErrorKind::Throttled,
        ErrorKind::Http,
        ErrorKind::Protocol,
        ErrorKind::Server,
        ErrorKind::Discarded,
        ErrorKind::Conflict,
        ErrorKind::NotFound,
        ErrorKind::Type,
        ErrorKind::Codec,
        ErrorKind::Store,
    ];

    #[test]
    fn what_may_pass_by_itself_is_transient() {
        use ErrorKind::*;
        for kind in KINDS {
            let expected = [Connect, CircuitOpen, Timeout, Disconnected, Throttled, Http, Conflict];
            assert_eq!(Error::new(kind, "").is_transient(), expected.contains(&kind), "{kind:?}");
        }
        assert!(Error::new(Http, "").with_status(503).is_transient());
        assert!(!Error::new(Http, "").with_status(404).is_transient());
        assert!(Error::server("MASTERDOWN Link with MASTER is down").is_transient());
        assert!(!Error::server("WRONGTYPE Operation").is_transient());
        assert!(!Error::server("EXECABORT Transaction discarded").is_transient());
    }

    #[test]
    fn an_error_shows_its_attempts_code_and_retry_after() {
        use std::error::Error as _;
        let error = Error::new(ErrorKind::Timeout, "no answer").with_attempts(1, Duration::ZERO);
        assert_eq!(error.to_string(), "timed out: no answer");
        let error = Error::server("BUSY a script runs")
            .with_command(|| "GET k".to_owned())
            .with_retry_after(Some(Duration::from_secs(7)))
            .with_attempts(3, Duration::from_millis(1250));
        assert_eq!(
            error.to_string(),
            "GET k: server error: BUSY a script runs (3 attempts in 1250 ms)"
        );
        assert_eq!((error.attempts(), error.elapsed()), (3, Some(Duration::from_millis(1250))));
        let shown = format!("{error:?}");
        for part in ["code: \"BUSY\"", "retry_after: 7s", "attempts: 3", "elapsed: 1.25s"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(error.source().is_none());
        let wrapped = Error::store(std::io::Error::other("down"));
        assert!(wrapped.source().is_some_and(|source| source.is::<std::io::Error>()));
        let discarded = error.into_discarded();
        assert_eq!(
            discarded.source().map(ToString::to_string).as_deref(),
            Some("GET k: server error: BUSY a script runs (3 attempts in 1250 ms)")
        );
    }

    #[test]
    fn the_first_word_is_a_code_only_if_it_looks_like_one() {
        assert_eq!(Error::server("something odd").code(), None);
        assert_eq!(Error::server("").code(), None);
        assert_eq!(
            Error::server("NOAUTH Authentication required.").kind(),
            ErrorKind::Unauthorized
        );
    }

    #[test]
    fn no_argument_is_in_what_a_server_says() {
        let shown = |reply: &str, args: &[&[u8]]| {
            let error = Error::server(reply).redacted(args.iter().copied());
            (error.message().to_owned(), error.code().map(str::to_owned))
        };
        for (reply, args, expected) in [
            ("ERR bad modifier '<pw1': x", &[b"<pw1".as_slice()][..], "ERR bad modifier '…': x"),
            ("ERR near 'tok' in line 1", &[b"return tok en", b"1"], "ERR near '…' in line 1"),
            ("ERR Unsupported option SECRET", &[b"secret"], "ERR Unsupported option …"),
            ("ERR my long secret", &[b"my long secret"], "ERR …"),
            ("ERR 'p(w)1;z2' and a1,b2", &[b"p(w)1;z2", b"a1,b2"], "ERR '…' and …"),
            ("ERR near (A1,B2)", &[b"A1,b2"], "ERR near (…)"),
            ("ERR wrong kind, no", &[b"wrong kind"], "ERR wrong kind, no"),
            ("ERR [\"SET\",\"a-secret\"]", &[b"a-secret"], "ERR [\"SET\",\"…\"]"),
            ("ERR pre-secret-post", &[b"secret"], "ERR …"),
            ("ERR /SET/%73%65%63ret", &[b"secret"], "ERR …"),
            ("ERR syntax error", &[b"a syntax error", b"error"], "ERR syntax error"),
            (
                "ERR wrong number of arguments for 'get' command",
                &[b"k"],
                "ERR wrong number of arguments for 'get' command",
            ),
            ("ERR \u{fc}ber geheim.", &[b"\xff geheim"], "ERR \u{fc}ber …."),
        ] {
            assert_eq!(
                shown(reply, args),
                (expected.to_owned(), Some("ERR".to_owned())),
                "{reply}"
            );
        }
        assert_eq!(shown("SECRET is said", &[b"SECRET is said"]), ("…".to_owned(), None));
        assert_eq!(shown("LIMIT reached", &[b"key"]).1.as_deref(), Some("LIMIT"));
        let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(shown(wrong_type, &[b"WRONGTYPE key of value"]).0, wrong_type);
    }

    #[test]
    fn a_discarded_transaction_hides_arguments_at_every_depth() {
        let error = Error::server("EXECABORT because of 'secret'").into_discarded();
        let error = error.redacted([b"secret".as_slice()]);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn a_message_has_a_bound() {
        let error = Error::server(&"ü".repeat(100_000));
        assert_eq!(error.message().chars().count(), 501);
        assert_eq!(Error::server(&"A".repeat(100_000)).code(), None);
    }
}
