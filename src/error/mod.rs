//! The error type: what went wrong, with which command, and whether the command may have been carried out.

mod debug;
mod display;
mod kind;
mod outcome;
mod redaction;
mod server_text;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use display::{Prefix, Suffix};
pub use kind::ErrorKind;
pub use outcome::Outcome;

/// The result of everything that can fail in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error that a user's own code (a backing store, a loader) may return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

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
        Self(Box::new(Inner {
            kind,
            outcome: Outcome::implied_by(kind),
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

#[cfg(test)]
mod tests {
    use super::kind::tests::KINDS;
    use super::*;

    #[test]
    fn an_own_error_survives_the_trip_through_a_store() {
        let error = Error::store(BoxError::from(Error::new(ErrorKind::Timeout, "5 s")));
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let error = Error::store("table is gone");
        assert_eq!(error.to_string(), "store error: the backing store failed");
    }

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
}
