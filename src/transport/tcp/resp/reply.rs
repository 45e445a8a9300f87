use crate::{Error, Result, Value};

/// A reply to a command, or a push.
#[derive(Debug, Clone)]
pub(in crate::transport::tcp) enum Reply {
    Value(Value),
    Error(Error),
    /// An array with errors among its items, such as the reply to EXEC.
    Items(Vec<Result<Value>>),
}

impl Reply {
    /// The value; the first error, if there is one.
    pub(in crate::transport::tcp) fn into_result(self) -> Result<Value> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Error(error) => Err(error),
            Self::Items(items) => items.into_iter().collect::<Result<_>>().map(Value::Array),
        }
    }

    pub(in crate::transport::tcp) fn is_push(&self) -> bool {
        matches!(self, Self::Value(Value::Push(_)))
    }
}
