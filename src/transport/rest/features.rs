//! What a REST server can do, as far as it is declared or was found out.

use std::fmt;
use std::time::Duration;

use super::decode::Strings;
use super::{Format, RestTransport, encode, resp2};
use crate::command::Command;
use crate::platform::{self, MaybeSend};
use crate::transport::{Subscription, Transport, sending};
use crate::{ErrorKind, Result, Value};

/// What some REST servers can do beyond commands and pipelines in JSON. Upstash can do all of it.
///
/// A client finds out what a server lacks when it first uses it, once: the call fails with
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported), and later ones fail without a request.
/// [`RestOptions::feature`](super::RestOptions::feature) declares it instead, and
/// [`RestTransport::find_features`](super::RestTransport::find_features) asks for all of it.
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
    /// EVAL and its kin.
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

    /// Why a call that needs it fails.
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

impl RestTransport {
    /// Whether the server has a feature, as far as it was declared or found out.
    pub fn has(&self, feature: Feature) -> Option<bool> {
        self.shared.negotiation.has(feature)
    }

    /// Finds out which features the server has, so that [`RestTransport::has`] and
    /// [`Transport::capabilities`](crate::transport::Transport::capabilities) tell. It sends up to 9 requests: commands that change nothing, a script, and a subscription
    /// to a channel with a random name. A feature about which an answer says nothing stays open.
    ///
    /// # Errors
    /// That of the first request, such as [`ErrorKind::Connect`] or [`ErrorKind::Unauthorized`].
    pub async fn find_features(&self) -> Result<()> {
        const TEXT: &str = "in which format?";
        let known = &self.shared.negotiation;
        let (path, body) = encode::single(&Command::new("ECHO").arg(TEXT))?;
        let answer = limited(self.post(&path, body, Format::Resp2, false)).await?;
        if resp2::is_resp2(&answer.body) {
            known.record(Feature::Resp2, true);
        } else {
            if let Err(error) = self.decoder(Format::Json(Strings::Plain)).single(&answer)
                && matches!(answer.status, 401 | 403 | 429 | 500..)
            {
                return Err(self.without_token(error));
            }
            known.record(Feature::Resp2, false);
        }
        if let Ok(Some(speaks)) = limited(async { Ok(self.echoes_base64().await) }).await {
            known.record(Feature::Base64, speaks);
        }
        // These are learnt from, whatever the answer is.
        let name = platform::random().map(u128::from_le_bytes).unwrap_or_default();
        let name = format!("edgecask:features:{name:032x}");
        let eval = |source: &'static str| Command::new("EVAL").arg(source).arg(0);
        for command in [
            Command::new("UNLINK").arg(&name),
            Command::new("ECHO").arg(&[0xff][..]),
            eval("return 1"),
        ] {
            let _ = limited(self.send(&command)).await;
        }
        let _ = limited(self.transaction(&[Command::new("UNLINK").arg(&name)])).await;
        if self.has(Feature::Scripts) == Some(true) {
            let flagged = eval("#!lua flags=allow-key-locking\nreturn 1");
            match limited(self.send(&flagged)).await {
                Ok(_) => known.record(Feature::KeyLocking, true),
                Err(error) if matches!(error.code(), None | Some("ERR")) => {
                    known.record(Feature::KeyLocking, false);
                }
                Err(_) => {}
            }
        }
        if self.http.can_stream() {
            for to in [Subscription::channels([name]), Subscription::Monitor] {
                drop(limited(self.subscribe(&to)).await);
            }
        }
        Ok(())
    }

    pub(super) fn require_scripts(&self, commands: &[Command]) -> Result<()> {
        match commands.iter().any(runs_script) {
            true => self.shared.negotiation.require(Feature::Scripts),
            false => Ok(()),
        }
    }

    /// Learns from the reply to a script.
    pub(super) fn learn_scripts(&self, reply: &Result<Value>) {
        let known = &self.shared.negotiation;
        if known.has(Feature::Scripts).is_some() {
            return;
        }
        match reply {
            Ok(_) => known.record(Feature::Scripts, true),
            Err(error) if error.kind() == ErrorKind::Server => {
                let words = ["unknown command", "is not available", "not supported"];
                let lacks = words.iter().any(|words| error.message().contains(words));
                if lacks || error.code() == Some("NOSCRIPT") {
                    known.record(Feature::Scripts, !lacks);
                }
            }
            Err(_) => {}
        }
    }
}

/// Whether the command needs [`Feature::Scripts`].
pub(super) fn runs_script(command: &Command) -> bool {
    matches!(command.name(), "EVAL" | "EVAL_RO" | "EVALSHA" | "EVALSHA_RO")
}

/// Each request of [`RestTransport::find_features`] ends, whatever the server does.
async fn limited<T>(call: impl Future<Output = Result<T>> + MaybeSend) -> Result<T> {
    sending::limited(Duration::from_secs(5), call).await
}
