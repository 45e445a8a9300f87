use crate::{Error, ErrorKind, Result, Value};

/// The reply of a command that does nothing if its condition is not met: `OK` is `true`, nil is `false`.
pub(crate) fn applied(value: Value) -> Result<bool> {
    match value {
        Value::Nil => Ok(false),
        Value::Integer(number) => Ok(number != 0),
        Value::Simple(_) | Value::Bulk(_) => Ok(true),
        other => {
            Err(Error::new(ErrorKind::Type, format!("asked for OK or nil, the reply is {other:?}")))
        }
    }
}
