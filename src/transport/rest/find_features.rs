//! Finds out what a REST server can do.

use std::time::Duration;

use super::decode::Strings;
use super::features::{Feature, runs_script};
use super::{Format, RestTransport, encode, resp2};
use crate::command::Command;
use crate::platform::{self, MaybeSend};
use crate::transport::{Subscription, Transport, sending};
use crate::{ErrorKind, Result, Value};

impl RestTransport {
    /// Whether the server has a feature, as far as it was declared or found out.
    pub fn has(&self, feature: Feature) -> Option<bool> {
        self.shared.negotiation.has(feature)
    }

    /// Finds out which features the server has, so that [`RestTransport::has`] and
    /// [`Transport::capabilities`] know them. It sends up to 9 requests: commands that change nothing, a script, and a subscription
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
        // The client learns from any answer to these, also from an error.
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
                Err(error)
                    if matches!(error.code(), None | Some("ERR"))
                        && (error.kind() == ErrorKind::Server
                            || matches!(error.status(), Some(400 | 500))) =>
                {
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
                // The error of a script may have these words, too, but hardly the name of the command.
                let text = error.message();
                let lacks = text.to_ascii_uppercase().contains("EVAL")
                    && words.iter().any(|words| text.contains(words));
                if lacks || error.code() == Some("NOSCRIPT") {
                    known.record(Feature::Scripts, !lacks);
                }
            }
            Err(_) => {}
        }
    }
}

/// Each request of [`RestTransport::find_features`] ends, whatever the server does.
async fn limited<T>(call: impl Future<Output = Result<T>> + MaybeSend) -> Result<T> {
    sending::limited(Duration::from_secs(5), call).await
}
