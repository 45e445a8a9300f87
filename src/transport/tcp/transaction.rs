//! MULTI, commands and EXEC in one pipeline, and what their replies say.

use super::resp::{Batch, Reply};
use crate::command::Command;
use crate::transport::Results;
use crate::{Error, ErrorKind, Outcome, Result, Value};

/// The commands between MULTI and EXEC. `before` is sent before MULTI.
pub(super) fn batch(before: Option<&Command>, commands: &[Command]) -> Batch {
    let (multi, exec) = (Command::new("MULTI"), Command::new("EXEC"));
    Batch::of(before.into_iter().chain([&multi]).chain(commands).chain([&exec]))
}

/// The replies of the `count` commands between MULTI and EXEC. A transaction of which a command was refused is discarded. If MULTI
/// was refused, by a server that was busy just then, commands after it may have run.
pub(super) fn results(mut replies: Vec<Reply>, count: usize) -> Result<Results> {
    let exec = replies.pop().unwrap_or(Reply::Value(Value::Nil));
    let mut replies = replies.into_iter().map(Reply::into_result);
    let multi = replies.next().and_then(Result::err);
    if let Some(refusal) = multi {
        return Err(match replies.any(|reply| reply.is_ok()) {
            true => refusal.with_outcome(Outcome::Unknown),
            false => refusal.into_discarded(),
        });
    }
    let refusal = replies.find_map(Result::err);
    if let Some(refusal) = refusal {
        return Err(refusal.into_discarded());
    }
    let items = match exec.into_result()? {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    if items.len() != count {
        return Err(Error::new(ErrorKind::Protocol, "EXEC did not answer with its replies"));
    }
    Ok(items
        .into_iter()
        .map(|item| match item {
            Value::Error(text) => Err(Error::server(&String::from_utf8_lossy(&text))),
            value => Ok(value),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Reply {
        Reply::Error(Error::server("BUSY x"))
    }

    #[test]
    fn commands_may_have_run_when_only_multi_was_refused() {
        let exec = busy();
        let refused = results(vec![busy(), busy(), busy(), exec.clone()], 2).unwrap_err();
        assert_eq!((refused.kind(), refused.outcome()), (ErrorKind::Discarded, Outcome::Refused));
        let ran =
            results(vec![busy(), busy(), Reply::Value(Value::Integer(1)), exec], 2).unwrap_err();
        assert_eq!(ran.outcome(), Outcome::Unknown);
    }
}
