use std::sync::Arc;

use super::support::Support;
use crate::command::{Command, Script};
use crate::transport::Transport;
use crate::{Result, Value};

/// What a client sends commands with: the transport, and the features that the server was found to lack.
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
                Err(error) if self.support.lacks_key_locking(&error) => {}
                reply => return reply,
            }
        }
        self.run(script, evalsha).await
    }

    async fn run(&self, script: &Script, evalsha: &Command) -> Result<Value> {
        match self.send(evalsha).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.send(&script.eval_instead(evalsha)).await
            }
            reply => reply,
        }
    }
}
