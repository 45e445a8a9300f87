//! The scripts of leases, and their native implementations.

use bytes::Bytes;

use crate::cache::token::new_token;
use crate::command::{Command, ScriptContext, script};
use crate::{Result, Value};

/// The first byte of the marker that a write leaves in place of its lease.
const DONE: u8 = b'=';

script! {
    /// `KEYS`: the entry, its lease. `ARGV`: a random text, the time to live of the lease in milliseconds, and `take`, `try` or
    /// `look`. `take` takes the lease even if another caller holds it; the others only if it is free. Returns the token, or nil
    /// if another caller keeps the lease. `look` also returns the stored entry, and how many milliseconds the other caller's
    /// lease has left.
    ///
    /// If the same request is sent twice, it returns the same token, unless the lease was deleted in between.
    pub(crate) static LEASE: Script = {
        file: "lease.lua",
        keys: 2,
        args: 3,
        flags: [key_locking],
        native: lease,
    };

    /// `KEYS`: the entry, its lease. `ARGV`: the token; the value; its time to live in milliseconds, or 0 for none; for a
    /// write, the time to live of the marker that it leaves in place of its lease, and 0 for a load. Returns 1 if the value was
    /// stored.
    ///
    /// A write that comes too late to be stored deletes the entry, so that no older value stays. It does not delete the entry
    /// of a later write, which the marker shows.
    pub(crate) static STORE_IF_LEASED: Script = {
        file: "store_if_leased.lua",
        keys: 2,
        args: 4,
        flags: [key_locking],
        native: store_if_leased,
    };

    /// `KEYS`: a lease. `ARGV`: its token, its new time to live in milliseconds. Returns 1 if the lease was still held.
    pub(crate) static RENEW_LEASE: Script = {
        file: "renew_lease.lua",
        keys: 1,
        args: 2,
        flags: [key_locking],
        native: renew_lease,
    };

    /// `KEYS`: a lease. `ARGV`: its token, or the random text at its end. Deletes the lease if it has this token and no write
    /// was stored with it; returns how many keys were deleted.
    pub(crate) static RELEASE_LEASE: Script = {
        file: "release_lease.lua",
        keys: 1,
        args: 1,
        flags: [key_locking],
        native: release_lease,
    };
}

fn lease(
    redis: &mut dyn ScriptContext,
    [entry, lease]: &[Bytes; 2],
    [random, ttl, how]: &[Bytes; 3],
) -> Result<Value> {
    let held = redis.call(Command::new("GET").arg(lease))?;
    let held = held.as_bytes().filter(|held| held.first() != Some(&DONE));
    let token = match held {
        Some(held) if held.ends_with(random) => Value::bulk(held.to_vec()),
        Some(_) if how != "take" => Value::Nil,
        _ => {
            let token = new_token(redis, random)?;
            redis.call(Command::new("SET").arg(lease).arg(&token).arg("PX").arg(ttl))?;
            Value::bulk(token)
        }
    };
    if how != "look" {
        return Ok(Value::Array(vec![token]));
    }
    let left = match token.is_nil() {
        true => redis.call(Command::new("PTTL").arg(lease))?,
        false => Value::Integer(0),
    };
    let stored = redis.call(Command::new("GET").arg(entry))?;
    Ok(Value::Array(vec![token, stored, left]))
}

fn store_if_leased(
    redis: &mut dyn ScriptContext,
    [entry, lease]: &[Bytes; 2],
    [token, value, ttl, mark]: &[Bytes; 4],
) -> Result<Value> {
    let held = redis.call(Command::new("GET").arg(lease))?;
    let held = held.as_bytes();
    let done = [&[DONE], &token[..]].concat();
    if held != Some(token) {
        if mark == "0" {
            return Ok(Value::Integer(0));
        }
        if held == Some(&done) {
            return Ok(Value::Integer(1));
        }
        if held.is_none_or(|held| held.first() != Some(&DONE)) {
            redis.call(Command::new("DEL").arg(entry))?;
        }
        return Ok(Value::Integer(0));
    }
    let set = Command::new("SET").arg(entry).arg(value);
    redis.call(if ttl == "0" { set } else { set.arg("PX").arg(ttl) })?;
    redis.call(match mark == "0" {
        true => Command::new("DEL").arg(lease),
        false => Command::new("SET").arg(lease).arg(&done).arg("PX").arg(mark),
    })?;
    Ok(Value::Integer(1))
}

fn renew_lease(
    redis: &mut dyn ScriptContext,
    [lease]: &[Bytes; 1],
    [token, ttl]: &[Bytes; 2],
) -> Result<Value> {
    let held = redis.call(Command::new("GET").arg(lease))?;
    match held.as_bytes() == Some(token) {
        true => redis.call(Command::new("PEXPIRE").arg(lease).arg(ttl)),
        false => Ok(Value::Integer(0)),
    }
}

fn release_lease(
    redis: &mut dyn ScriptContext,
    [lease]: &[Bytes; 1],
    [token]: &[Bytes; 1],
) -> Result<Value> {
    let held = redis.call(Command::new("GET").arg(lease))?;
    match held.as_bytes() {
        Some(held) if held.first() != Some(&DONE) && held.ends_with(token) => {
            redis.call(Command::new("DEL").arg(lease))
        }
        _ => Ok(Value::Integer(0)),
    }
}
