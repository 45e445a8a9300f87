//! Commands that wait for data.

use crate::command::Command;
use crate::{Error, ErrorKind};

/// The error of a command that waits for data, in a pipeline.
pub(super) fn blocking_in_pipeline(command: &Command) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a command that waits for data cannot be in a pipeline: it would block the calls of all others",
    )
    .with_command(|| command.label())
}
