//! Scripts and commands in one round trip.

use super::handle::Client;
use super::support::is_unknown_script;
use crate::command::{Arguments, Command, Resend, Script, ToArg};
use crate::transport::Results;
use crate::{Error, ErrorKind, FromValue, Result, Value};

/// Scripts and commands that are sent in one round trip, in order but not as a unit.
///
/// Scripts are sent by EVALSHA. From the first script on that the server does not know, everything is sent again by EVAL,
/// so that the order is kept. So all scripts and commands must be safe to repeat, and each is marked as [`Resend::Safe`].
pub(crate) struct ScriptBatch {
    client: Client,
    steps: Vec<Step>,
}

enum Step {
    Script(Script, Arguments),
    Command(Command),
}

/// How scripts are sent.
#[derive(Clone, Copy)]
struct How {
    by_source: bool,
    flagged: bool,
}

impl ScriptBatch {
    pub(crate) fn new(client: &Client) -> Self {
        Self { client: client.clone(), steps: Vec::new() }
    }

    /// Appends a script, and returns its place among the replies.
    pub(crate) fn script(
        &mut self,
        script: &Script,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> usize {
        // The arguments of an EVALSHA, without the sha.
        let keys = Arguments::new(keys);
        let mut all = Arguments::new([keys.len()]);
        all.extend(keys.iter());
        all.extend(args);
        self.push(Step::Script(script.clone(), all))
    }

    /// Appends a command, and returns its place among the replies.
    pub(crate) fn command(&mut self, command: Command) -> usize {
        self.push(Step::Command(command.with_resend(Resend::Safe)))
    }

    fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// Sends everything in one round trip, rarely in more.
    pub(crate) async fn exec(self) -> Result<ScriptReplies> {
        let client = &self.client;
        let mut how = How {
            by_source: false,
            flagged: client.capabilities().key_locking && client.0.support.key_locking(),
        };
        let mut results: Results = Vec::with_capacity(self.steps.len());
        loop {
            let rest = &self.steps[results.len()..];
            if how.by_source || !client.capabilities().lua {
                rest.iter().for_each(|step| step.register_at(client, how));
            }
            let commands: Vec<Command> = rest.iter().map(|step| step.command(how)).collect();
            let replies = match &commands[..] {
                [command] => vec![client.send(command).await],
                commands => client.send_pipeline(commands).await?,
            };
            let mut other = None;
            for reply in replies {
                other = match &reply {
                    Err(error) if !how.by_source && is_unknown_script(error) => {
                        Some(How { by_source: true, ..how })
                    }
                    Err(error) if how.flagged && self.is_flagged(results.len()) => {
                        let refused = client.0.refuses_key_locking(error).await;
                        refused.then_some(How { by_source: false, flagged: false })
                    }
                    _ => None,
                };
                if other.is_some() {
                    break;
                }
                results.push(reply);
            }
            match other {
                Some(other) => how = other,
                None => break,
            }
        }
        Ok(ScriptReplies(results))
    }

    /// Whether the step at this place is a script that may have the flag.
    fn is_flagged(&self, at: usize) -> bool {
        match self.steps.get(at) {
            Some(Step::Script(script, _)) => script.flagged().is_some(),
            _ => false,
        }
    }
}

impl How {
    fn form_of(self, script: &Script) -> &Script {
        script.flagged().filter(|_| self.flagged).unwrap_or(script)
    }
}

impl Step {
    /// Registers the script's native implementation with an embedded engine.
    fn register_at(&self, client: &Client, how: How) {
        if let Self::Script(script, _) = self {
            client.0.transport.register(how.form_of(script));
        }
    }

    fn command(&self, how: How) -> Command {
        let (script, args) = match self {
            Self::Command(command) => return command.clone(),
            Self::Script(script, args) => (how.form_of(script), args),
        };
        let (name, text) = match how.by_source {
            true => ("EVAL", script.source()),
            false => ("EVALSHA", script.sha()),
        };
        Command::new(name).arg(text).args_from(args.iter()).with_resend(Resend::Safe)
    }
}

/// The replies of a [`ScriptBatch`].
pub(crate) struct ScriptReplies(Results);

impl ScriptReplies {
    /// The reply at this place. It can be taken once.
    pub(crate) fn take<R: FromValue>(&mut self, at: usize) -> Result<R> {
        let gone = Err(Error::new(ErrorKind::Protocol, "the server sent too few replies"));
        let take = |reply: &mut Result<Value>| std::mem::replace(reply, Ok(Value::Nil));
        let reply = self.0.get_mut(at).map_or(gone, take);
        R::from_value(reply?)
    }
}
