//! JSON.OBJKEYS and JSON.OBJLEN.

use super::arguments::Arguments;
use super::documents::{absent, expected, no_key, read};
use super::get::reply;
use crate::transport::memory::args::Args;
use crate::transport::memory::commands::replies::length;
use crate::transport::memory::json::Json;
use crate::transport::memory::keyspace::Keyspace;
use crate::{Result, Value};

/// JSON.OBJKEYS.
pub(super) fn keys(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else {
        return if path.is_legacy() { Ok(Value::Nil) } else { Err(no_key()) };
    };
    let path = match path.parse() {
        Err(_) if path.is_legacy() => return Ok(Value::Nil),
        path => path?,
    };
    let names = |value: &Json| match value {
        Json::Object(members) => {
            let names = members.keys().map(|name| Value::bulk(name.to_string()));
            Ok(Value::Array(names.collect()))
        }
        _ if path.is_legacy() => Err(absent(path.full(), " or not an object")),
        _ => Ok(Value::Nil),
    };
    reply(document, &path, names, || Ok(Value::Nil))
}

/// JSON.OBJLEN.
pub(super) fn length_of(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else {
        return match path.is_legacy() {
            true => Ok(Value::Nil),
            false => Err(absent(path.given(), " or not an object")),
        };
    };
    let path = match path.parse() {
        Err(_) if path.is_legacy() => return Ok(Value::Nil),
        path => path?,
    };
    let size = |value: &Json| match value {
        Json::Object(members) => Ok(length(members.len())),
        other if path.is_legacy() => Err(expected("object", other.type_name())),
        _ => Ok(Value::Nil),
    };
    reply(document, &path, size, || Ok(Value::Nil))
}
