//! The script of a tag's version, and its native implementation.

use bytes::Bytes;

use crate::cache::token::new_token;
use crate::command::{Command, ScriptContext, script};
use crate::{Result, Value};

script! {
    /// `KEYS`: a tag. `ARGV`: a random text; the time to live of a new version in seconds; `renew` for a new version, or `hold`
    /// for the current one; how many seconds from now the version must be kept at least, `persist`, or 0. Returns the version.
    /// The successor of a persistent version is persistent.
    pub(crate) static TAG_VERSION: Script = {
        file: "tag_version.lua",
        keys: 1,
        args: 4,
        flags: [key_locking],
        native: tag_version,
    };
}

fn tag_version(
    redis: &mut dyn ScriptContext,
    [tag]: &[Bytes; 1],
    [random, kept, how, stay]: &[Bytes; 4],
) -> Result<Value> {
    let mut version = redis.call(Command::new("GET").arg(tag))?;
    if version.is_nil() || how == "renew" {
        let persists = redis.call(Command::new("TTL").arg(tag))? == Value::Integer(-1);
        version = Value::bulk(new_token(redis, random)?);
        let new = version.as_bytes().unwrap_or_default();
        redis.call(Command::new("SET").arg(tag).arg(new).arg("EX").arg(kept))?;
        if persists {
            redis.call(Command::new("PERSIST").arg(tag))?;
        }
    }
    let number = |bytes: &Bytes| std::str::from_utf8(bytes).ok()?.parse::<i64>().ok();
    match number(stay) {
        None => drop(redis.call(Command::new("PERSIST").arg(tag))?),
        Some(0) => {}
        Some(stay) => {
            let left = redis.call(Command::new("TTL").arg(tag))?;
            if matches!(left, Value::Integer(left) if (0..stay).contains(&left)) {
                redis.call(Command::new("EXPIRE").arg(tag).arg(stay))?;
            }
        }
    }
    Ok(version)
}
