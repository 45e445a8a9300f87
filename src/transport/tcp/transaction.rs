//! MULTI, commands and EXEC in one pipeline, and what their replies say.

use super::convert::{packed, value_from};
use crate::command::Command;
use crate::transport::Results;
use crate::{Error, ErrorKind, Outcome, Result};

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

/// The replies of the `count` commands between MULTI and EXEC. A transaction of which a command was refused is discarded. If MULTI
/// was refused, by a server that was busy just then, commands after it may have run.
pub(super) fn results(mut replies: Vec<redis::Value>, count: usize) -> Result<Results> {
    let exec = replies.pop().unwrap_or_default();
    let mut replies = replies.into_iter().map(value_from);
    let multi = replies.next().and_then(Result::err);
    if let Some(refusal) = multi {
        return Err(match replies.any(|reply| reply.is_ok()) {
            true => refusal.with_outcome(Outcome::Unknown),
            false => refusal.into_discarded(),
        });
    }
    let refusal = replies.find_map(Result::err);
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

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn busy() -> Value {
        Value::ServerError(redis::parse_redis_value(b"-BUSY x\r\n").map_or_else(
            |_| unreachable!("it is an error reply"),
            |value| match value {
                Value::ServerError(error) => error,
                _ => unreachable!("it is an error reply"),
            },
        ))
    }

    #[test]
    fn commands_may_have_run_when_only_multi_was_refused() {
        let exec = busy();
        let refused = results(vec![busy(), busy(), busy(), exec.clone()], 2).unwrap_err();
        assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Discarded, Outcome::Refused));
        let ran = results(vec![busy(), busy(), Value::Int(1), exec], 2).unwrap_err();
        assert_eq!(ran.outcome(), Outcome::Unknown);
    }
}
