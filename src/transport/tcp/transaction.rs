//! MULTI, commands and EXEC in one pipeline, and what their replies say.

use super::convert::{packed, value_from};
use crate::command::Command;
use crate::transport::Results;
use crate::{Error, ErrorKind, Result};

/// The commands between MULTI and EXEC, and how many commands these are together.
pub(super) fn pipeline(commands: &[Command]) -> (redis::Pipeline, usize) {
    let count = commands.len() + 2;
    let mut pipeline = redis::Pipeline::with_capacity(count);
    pipeline.add_command(redis::cmd("MULTI"));
    for command in commands {
        pipeline.add_command(packed(command));
    }
    pipeline.add_command(redis::cmd("EXEC"));
    (pipeline, count)
}

/// The replies of the `count` commands between MULTI and EXEC. A transaction of which a command was refused is discarded.
pub(super) fn results(mut replies: Vec<redis::Value>, count: usize) -> Result<Results> {
    let exec = replies.pop().unwrap_or_default();
    let refusal = replies.into_iter().find_map(|reply| value_from(reply).err());
    match (exec, refusal) {
        (redis::Value::Array(items), None) if items.len() == count => {
            Ok(items.into_iter().map(value_from).collect())
        }
        (_, Some(refusal)) => Err(refusal.into_discarded()),
        (exec, None) => {
            value_from(exec)?;
            Err(Error::new(ErrorKind::Protocol, "EXEC did not answer with its replies"))
        }
    }
}
