use crate::{Error, Result, Value};

/// A reply to a command, or a push.
#[derive(Debug, Clone)]
pub(in crate::transport::tcp) enum Reply {
    Value(Value),
    /// The error of the command. One among the items of an array is a [`Value::Error`].
    Error(Error),
}

impl Reply {
    pub(in crate::transport::tcp) fn into_result(self) -> Result<Value> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Error(error) => Err(error),
        }
    }

    pub(in crate::transport::tcp) fn is_push(&self) -> bool {
        matches!(self, Self::Value(Value::Push(_)))
    }
}
