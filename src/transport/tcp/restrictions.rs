//! The commands that a shared connection refuses: those that would block the calls of others, and waits without writes.

use crate::command::Command;
use crate::{Error, ErrorKind, Result};

/// The error of a command that waits for writes, without any before it.
pub(super) fn wait_without_writes(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this command waits for the writes of its own connection, and connections are shared: put it behind the writes in \
         one pipeline",
    )
    .with_command(|| command.label())
}

/// Refuses commands that a busy server has to receive: a batch uses the shared connection, which such a server blocks.
pub(super) fn refuse_in_batch(commands: &[Command]) -> Result<()> {
    match commands.iter().find(|command| command.serves_when_busy()) {
        None => Ok(()),
        Some(command) => Err(Error::new(
            ErrorKind::Unsupported,
            "this command has to reach a busy server, and a batch cannot: send it by itself",
        )
        .with_command(|| command.label())),
    }
}
