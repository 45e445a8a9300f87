//! The scripts that compare and set, or delete, and their native implementations.

use bytes::Bytes;

use crate::command::{Command, ScriptContext, script};
use crate::{Result, Value};

script! {
    /// For servers without `SET … IFEQ`. `KEYS`: a string. `ARGV`: the old value, the new value. Returns 1 if it was set.
    pub(crate) static COMPARE_AND_SET: Script = {
        file: "compare_and_set.lua",
        keys: 1,
        args: 2,
        flags: [key_locking],
        native: compare_and_set,
    };

    /// For servers without DELEX. `KEYS`: a string. `ARGV`: the old value. Returns 1 if it was deleted.
    pub(crate) static COMPARE_AND_DELETE: Script = {
        file: "compare_and_delete.lua",
        keys: 1,
        args: 1,
        flags: [key_locking],
        native: compare_and_delete,
    };
}

fn compare_and_set(
    redis: &mut dyn ScriptContext,
    [key]: &[Bytes; 1],
    [old, new]: &[Bytes; 2],
) -> Result<Value> {
    let same = redis.call(Command::new("GET").arg(key))?.as_bytes() == Some(old);
    if same {
        redis.call(Command::new("SET").arg(key).arg(new).arg("KEEPTTL"))?;
    }
    Ok(same.into())
}

fn compare_and_delete(
    redis: &mut dyn ScriptContext,
    [key]: &[Bytes; 1],
    [old]: &[Bytes; 1],
) -> Result<Value> {
    if redis.call(Command::new("GET").arg(key))?.as_bytes() == Some(old) {
        return redis.call(Command::new("DEL").arg(key));
    }
    Ok(Value::Integer(0))
}
