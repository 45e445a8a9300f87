use std::fmt;

use crate::command::Command;

/// A feature that a REST server may have beyond commands and pipelines in JSON. Upstash has all of them.
///
/// A client finds out that a server lacks a feature when it first uses the feature, once: the call fails with
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), and later ones fail without a request.
/// [`RestOptions::feature`](super::RestOptions::feature) declares it instead, and
/// [`RestTransport::find_features`](super::RestTransport::find_features) asks for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// `Upstash-Response-Format: resp2`. Without it, replies come as JSON.
    Resp2,
    /// `Upstash-Encoding: base64`. A server without this and [`Feature::Resp2`] cannot answer with bytes that are not UTF-8.
    Base64,
    /// Commands in the path, whose body is an argument. Without it, no argument may be bytes that are not UTF-8.
    PathCommands,
    /// `/multi-exec`.
    Transactions,
    /// EVAL, EVALSHA and similar commands.
    Scripts,
    /// The script flag `allow-key-locking`.
    KeyLocking,
    /// `/subscribe` and `/psubscribe`.
    Subscriptions,
    /// `/monitor`.
    Monitor,
    /// `upstash-sync-token`, by which a read sees earlier writes on any replica.
    SyncTokens,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Resp2,
        Self::Base64,
        Self::PathCommands,
        Self::Transactions,
        Self::Scripts,
        Self::KeyLocking,
        Self::Subscriptions,
        Self::Monitor,
        Self::SyncTokens,
    ];

    /// Its name in reports, such as `path-commands`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resp2 => "resp2",
            Self::Base64 => "base64",
            Self::PathCommands => "path-commands",
            Self::Transactions => "transactions",
            Self::Scripts => "scripts",
            Self::KeyLocking => "key-locking",
            Self::Subscriptions => "subscriptions",
            Self::Monitor => "monitor",
            Self::SyncTokens => "sync-tokens",
        }
    }

    /// The error text of a call that needs it.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::PathCommands => {
                "this REST server takes no commands in the path, in which bytes that are not UTF-8 go: encode them as text \
                 (base64)"
            }
            Self::Transactions => "this REST server has no transactions",
            Self::Scripts => "this REST server runs no scripts",
            Self::Subscriptions => "this REST server has no subscriptions",
            Self::Monitor => "this REST server has no MONITOR",
            Self::Resp2 | Self::Base64 | Self::KeyLocking | Self::SyncTokens => {
                "this REST server lacks what the call needs"
            }
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether the command needs [`Feature::Scripts`].
pub(super) fn runs_script(command: &Command) -> bool {
    matches!(command.name(), "EVAL" | "EVAL_RO" | "EVALSHA" | "EVALSHA_RO")
}
