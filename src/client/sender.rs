use std::sync::Arc;

use super::support::{Support, is_unknown_script};
use crate::command::{Command, Script};
use crate::platform;
use crate::transport::Transport;
use crate::{Error, ErrorKind, Result, Value};

/// Sends a client's commands. It holds the transport, and the features that the server was found to lack.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) support: Arc<Support>,
}

impl Sender {
    /// Sends a command, if the transport can serve it.
    pub(super) async fn send(&self, command: &Command) -> Result<Value> {
        self.transport.capabilities().check(command)?;
        let reply = self.transport.send(command).await;
        reply.map_err(|error| error.redacted(command.args()).with_command(|| command.label()))
    }

    /// Sends a script by EVALSHA, and by EVAL if the server does not know it.
    pub(super) async fn send_script(&self, script: &Script, evalsha: &Command) -> Result<Value> {
        let may_lock = self.transport.capabilities().key_locking && self.support.key_locking();
        if let Some(flagged) = script.flagged().filter(|_| may_lock) {
            let reply = self.run(flagged, &flagged.evalsha_instead(evalsha)).await;
            match reply {
                Err(error) if self.refuses_key_locking(&error).await => {}
                reply => {
                    if reply.is_ok() {
                        self.support.knows_key_locking();
                    }
                    return reply;
                }
            }
        }
        self.run(script, evalsha).await
    }

    /// Whether a flagged script failed with this error because of its flag. If the text of the error does not say so, a script that
    /// does nothing is sent with the flag, once: to run the failed one again could do things twice.
    pub(super) async fn refuses_key_locking(&self, error: &Error) -> bool {
        if self.support.lacks_key_locking(error) {
            return true;
        }
        if !self.support.may_lack_key_locking(error) {
            return false;
        }
        // In a box, because it is rare: the futures of all callers are smaller.
        let Some(knows) = platform::send(|| self.knows_key_locking()).await else { return false };
        self.support.set_key_locking(knows);
        !knows
    }

    /// Asks the server whether it knows the flag, by a script that does nothing; `None` if no answer tells.
    async fn knows_key_locking(&self) -> Option<bool> {
        let nothing = Script::new("return 1").key_locking();
        let evalsha = nothing.evalsha([""; 0], [""; 0]);
        let Err(error) = self.send(&nothing.flagged()?.eval_instead(&evalsha)).await else {
            return Some(true);
        };
        if !self.support.may_lack_key_locking(&error) {
            return None;
        }
        // An error without a reply of Redis may be an outage, in which the plain script fails, too.
        let is_reply = error.kind() == ErrorKind::Server;
        let is_refused = is_reply || self.send(&nothing.eval_instead(&evalsha)).await.is_ok();
        is_refused.then_some(false)
    }

    async fn run(&self, script: &Script, evalsha: &Command) -> Result<Value> {
        if !self.transport.capabilities().lua {
            self.transport.register(script);
        }
        match self.send(evalsha).await {
            Err(error) if is_unknown_script(&error) => {
                self.transport.register(script);
                self.send(&script.eval_instead(evalsha)).await
            }
            reply => reply,
        }
    }
}
