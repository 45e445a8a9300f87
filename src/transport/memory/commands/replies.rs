//! Replies that several families share.

use crate::Value;

pub(super) fn length(length: usize) -> Value {
    Value::Integer(i64::try_from(length).unwrap_or(i64::MAX))
}
