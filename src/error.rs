//! The one error type: what went wrong, with which command, and whether it may have been carried out.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error that a user's own code (a backing store, a loader) may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What kind of thing went wrong.
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
    /// Nothing was sent, because this request has used up its subrequests; see
    /// [`RequestBudget`](crate::layer::RequestBudget).
    BudgetSpent,
    /// No answer within the time allowed.
    Timeout,
    /// The connection was lost, or the answer broke off, after the request had left.
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
    /// Somebody else changed the value again and again; see [`Client::update`](crate::Client::update).
    Conflict,
    /// There is no such value, and the caller asked for one; see [`Call::required`](crate::Call::required).
    NotFound,
    /// The reply arrived, but is not of the Rust type that was asked for.
    Type,
    /// A value could not be turned into bytes, or stored bytes into a value.
    Codec,
    /// A backing store or loader failed; see [`std::error::Error::source`].
    Store,
}

impl ErrorKind {
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

/// What is known of the fate of a command that failed. A retry is safe without further thought only after
/// [`Outcome::NotSent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It never left, so it was certainly not carried out.
    NotSent,
    /// The server looked at it and answered with an error.
    Refused,
    /// It left, and nobody knows whether it was carried out.
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
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    message: Cow<'static, str>,
    code: Option<Box<str>>,
    command: Option<Box<str>>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
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
            code: None,
            command: None,
            status: None,
            retry_after: None,
            source: None,
        }))
    }

    /// An error reply of Redis, such as `WRONGTYPE Operation against a key …`. What Redis repeats of the
    /// command's arguments is cut off, because they may hold secrets.
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
        let mut error = Self::new(kind, reply.to_owned());
        error.0.code = code.map(Into::into);
        error
    }

    /// A transaction that was discarded because of this error: the same text and code.
    #[must_use]
    pub fn into_discarded(self) -> Self {
        let mut error = self.clone();
        error.0.kind = ErrorKind::Discarded;
        error.0.outcome = Outcome::Refused;
        error.with_source(self)
    }

    /// Wraps the error of a user's backing store or loader; an [`Error`] inside stays what it is.
    pub fn store(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(other) => Self::new(ErrorKind::Store, other.to_string()).with_source(other),
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

    /// The command that failed and its first key, such as `GET copilot:llm:policy:acme`.
    pub fn command(&self) -> Option<&str> {
        self.0.command.as_deref()
    }

    /// Sets what is known of the command's fate.
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

    /// Names the command that failed, unless one is named already: the innermost knows best.
    #[must_use]
    pub fn with_command(mut self, command: impl FnOnce() -> String) -> Self {
        if self.0.command.is_none() {
            self.0.command = Some(command().into());
        }
        self
    }

    /// A call took longer than it might.
    pub(crate) fn timed_out(limit: Duration) -> Self {
        Self::new(ErrorKind::Timeout, format!("no answer within {limit:?}"))
    }

    /// Sets the underlying error. Its text must be free of values and secrets.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(command) = &self.0.command {
            write!(f, "{command}: ")?;
        }
        write!(f, "{}: {}", self.0.kind.describe(), self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut out = f.debug_struct("Error");
        out.field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("outcome", &inner.outcome);
        if let Some(command) = &inner.command {
            out.field("command", command);
        }
        if let Some(status) = &inner.status {
            out.field("status", status);
        }
        if let Some(source) = &inner.source {
            out.field("source", source);
        }
        out.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
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
        assert_eq!(error.to_string(), "store error: table is gone");
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
}
