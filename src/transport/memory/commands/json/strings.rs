//! JSON.STRAPPEND and JSON.STRLEN. Lengths are in bytes.

use super::arguments::{Arguments, PathText};
use super::documents::{absent, change_each, expected, no_key, read};
use super::get::reply;
use crate::transport::memory::args::Args;
use crate::transport::memory::commands::replies::length;
use crate::transport::memory::json::{Document, Json, Place};
use crate::transport::memory::keyspace::Keyspace;
use crate::{Error, Result, Value};

/// JSON.STRAPPEND.
pub(super) fn append(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let (path, text) = match args.left() {
        0 | 1 => (PathText::ROOT, args.text()?),
        _ => (args.path()?, args.text()?),
    };
    let added = std::cell::OnceCell::new();
    let replies = change_each(
        db,
        key,
        path,
        |value| matches!(value, Json::String(_)),
        |path| absent(path.full(), " or not a string"),
        |document, place| {
            if added.get().is_none() {
                let value = string(text)?;
                Document::check_room([place].into_iter(), &value, 0)?;
                let _ = added.set(value);
            }
            let Some(Json::String(added)) = added.get() else { return Ok(0) };
            Ok(append_at(document, place, added))
        },
    )?;
    Ok(replies.into_value(length))
}

fn append_at(document: &mut Document, place: &Place, added: &str) -> usize {
    let appended = document.change(place, |value, bytes| {
        let Json::String(text) = value else { return 0 };
        text.push_str(added);
        *bytes += added.len();
        text.len()
    });
    appended.unwrap_or(0)
}

fn string(text: &str) -> Result<Json> {
    let value = Json::read(text).map_err(|message| Error::server(&format!("ERR {message}")))?;
    match value {
        Json::String(_) => Ok(value),
        _ => Err(expected("string", text)),
    }
}

/// JSON.STRLEN.
pub(super) fn length_of(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else {
        return if path.is_legacy() { Ok(Value::Nil) } else { Err(no_key()) };
    };
    let path = path.parse()?;
    let size = |value: &Json| match value {
        Json::String(text) => Ok(length(text.len())),
        other if path.is_legacy() => Err(expected("string", other.type_name())),
        _ => Ok(Value::Nil),
    };
    reply(document, &path, size, || Err(absent(path.full(), "")))
}
