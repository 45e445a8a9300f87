//! What kind of thing went wrong?

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
    /// Redis answered with an error; see [`Error::code`](crate::Error::code).
    Server,
    /// A transaction was discarded as a whole; none of its commands ran.
    Discarded,
    /// Another client changed the value again and again; see [`Client::update`](crate::Client::update).
    /// Or slots of a cluster moved during a SCAN: begin it again.
    Conflict,
    /// There is no such value, and the caller asked for one; see [`Call::required`](crate::Call::required).
    NotFound,
    /// The reply arrived, but is not of the Rust type that was asked for.
    Type,
    /// A value could not be turned into bytes, or stored bytes into a value.
    Codec,
    /// A backing store or loader failed. Its own error is the [`source`](std::error::Error::source); see [`Error::store`](crate::Error::store).
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

    /// The beginning of the message of an error of this kind.
    pub(super) fn describe(self) -> &'static str {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_as_its_variant() {
        for kind in KINDS {
            assert_eq!(kind.as_str(), format!("{kind:?}"));
        }
    }

    pub(in crate::error) const KINDS: [ErrorKind; 19] = [
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
}
