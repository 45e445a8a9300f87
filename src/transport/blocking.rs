//! Commands that wait for data or for replicas.

use crate::command::Command;
use crate::{Error, ErrorKind};

/// Whether a command waits until the writes of its own connection are on replicas or on disk.
pub(super) fn waits_for_replication(command: &Command) -> bool {
    command.name().starts_with("WAIT") && matches!(command.name(), "WAIT" | "WAITAOF")
}

/// The error of a command that waits for data, in a pipeline.
pub(super) fn blocking_in_pipeline(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a command that waits for data cannot be in a pipeline: it would block the calls of all others",
    )
    .with_command(|| command.label())
}
