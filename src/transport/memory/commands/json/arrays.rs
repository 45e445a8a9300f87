//! JSON.ARRAPPEND, JSON.ARRINDEX, JSON.ARRINSERT, JSON.ARRLEN, JSON.ARRPOP and JSON.ARRTRIM.

use super::arguments::{Arguments, PathText};
use super::documents::{absent, change_each, existing, expected, no_key, places, read};
use super::get::reply;
use crate::transport::memory::args::Args;
use crate::transport::memory::commands::replies::length;
use crate::transport::memory::json::{Budget, Document, Json, Path, Place, Writer, equal};
use crate::transport::memory::keyspace::Keyspace;
use crate::{Error, Result, Value};

fn is_array(value: &Json) -> bool {
    matches!(value, Json::Array(_))
}

const NOT_AN_ARRAY: &str = " or not an array";

/// Changes the array at a place. An earlier change of the same command may have put something else there.
fn change_array<R>(
    document: &mut Document,
    place: &Place,
    act: impl FnOnce(&mut Vec<Json>, &mut usize) -> Result<R>,
) -> Result<R> {
    let changed = document.change(place, |value, bytes| match value {
        Json::Array(items) => act(items, bytes),
        other => Err(expected("array", other.type_name())),
    });
    changed.unwrap_or_else(|| Err(Error::server("ERR Path does not exist")))
}

/// The values that come next, as one array.
fn values(args: &mut Arguments<'_>) -> Result<Json> {
    let mut values = Vec::new();
    loop {
        let value = Json::read_first(args.text()?);
        values.push(value.map_err(|message| Error::server(&message))?);
        if args.left() == 0 {
            return Ok(Json::Array(values));
        }
    }
}

/// Refuses to add values to all arrays of a path if they do not fit.
fn check_room(db: &Keyspace, key: &[u8], path: PathText<'_>, values: &Json) -> Result<()> {
    let places: Vec<_> =
        places(existing(db, key)?, &path.parse()?, is_array)?.into_iter().flatten().collect();
    Document::check_room(places.iter(), values, 0)
}

fn items(values: &Json) -> &[Json] {
    match values {
        Json::Array(items) => items,
        _ => &[],
    }
}

fn bytes(items: &[Json]) -> usize {
    items.iter().map(Json::bytes).sum()
}

/// JSON.ARRAPPEND.
pub(super) fn append(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path()?;
    let values = values(&mut args)?;
    check_room(db, key, path, &values)?;
    let missing = |path: &Path<'_>| absent(path.given(), NOT_AN_ARRAY);
    let replies = change_each(db, key, path, is_array, missing, |document, place| {
        change_array(document, place, |array, size| {
            *size += bytes(items(&values));
            array.extend_from_slice(items(&values));
            Ok(array.len())
        })
    })?;
    Ok(replies.into_value(length))
}

/// JSON.ARRINSERT.
pub(super) fn insert(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path()?;
    let index = args.integer()?;
    let values = values(&mut args)?;
    check_room(db, key, path, &values)?;
    let missing = |path: &Path<'_>| absent(path.full(), NOT_AN_ARRAY);
    let replies = change_each(db, key, path, is_array, missing, |document, place| {
        change_array(document, place, |array, size| {
            let index = match usize::try_from(index) {
                Ok(index) => Some(index).filter(|index| *index <= array.len()),
                Err(_) => {
                    let back = usize::try_from(index.unsigned_abs()).ok();
                    back.and_then(|back| array.len().checked_sub(back))
                }
            };
            let index = index.ok_or_else(|| Error::server("ERR index out of bounds"))?;
            *size += bytes(items(&values));
            array.splice(index..index, items(&values).iter().cloned());
            Ok(array.len())
        })
    })?;
    Ok(replies.into_value(length))
}

/// JSON.ARRLEN.
pub(super) fn length_of(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else {
        return if path.is_legacy() { Ok(Value::Nil) } else { Err(no_key()) };
    };
    let path = path.parse()?;
    let size = |value: &Json| match value {
        Json::Array(items) => Ok(length(items.len())),
        _ if path.is_legacy() => Err(absent(path.given(), NOT_AN_ARRAY)),
        _ => Ok(Value::Nil),
    };
    reply(document, &path, size, || Err(absent(path.given(), "")))
}

/// JSON.ARRPOP.
pub(super) fn pop(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    // What is no number counts as the last position.
    let index = if args.left() == 0 { -1 } else { args.integer().unwrap_or(-1) };
    let missing = |path: &Path<'_>| absent(path.full(), NOT_AN_ARRAY);
    let replies = change_each(db, key, path, is_array, missing, |document, place| {
        change_array(document, place, |array, size| {
            let Some(last) = array.len().checked_sub(1) else { return Ok(Value::Nil) };
            let index = from_either_end(index, array.len()).min(last);
            let text = Writer::compact(&array[index])?;
            *size = size.saturating_sub(array.remove(index).bytes());
            Ok(Value::bulk(text))
        })
    })?;
    Ok(replies.into_value(|value| value))
}

/// JSON.ARRTRIM.
pub(super) fn trim(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path()?;
    let (start, stop) = (args.integer()?, args.integer()?);
    let missing = |path: &Path<'_>| absent(path.full(), NOT_AN_ARRAY);
    let replies = change_each(db, key, path, is_array, missing, |document, place| {
        change_array(document, place, |array, size| {
            let start = from_either_end(start, array.len()).min(array.len());
            let end = from_either_end(stop, array.len()).saturating_add(1).min(array.len());
            let removed = array.drain(end.max(start)..).collect::<Vec<_>>();
            *size = size.saturating_sub(bytes(&removed));
            let removed: Vec<_> = array.drain(..start).collect();
            *size = size.saturating_sub(bytes(&removed));
            Ok(array.len())
        })
    })?;
    Ok(replies.into_value(length))
}

/// The position of an index, which counts from the end if it is negative, and is the first one if it lies before that.
fn from_either_end(index: i64, length: usize) -> usize {
    usize::try_from(index).unwrap_or_else(|_| {
        length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
    })
}

/// JSON.ARRINDEX.
pub(super) fn index_of(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path()?;
    let text = args.text()?;
    let start = if args.left() > 0 { args.integer()? } else { 0 };
    let end = if args.left() > 0 { args.integer()? } else { 0 };
    if args.left() > 0 {
        return Err(args.wrong_arity());
    }
    let wanted = Json::read(text).map_err(|message| Error::server(&format!("ERR {message}")))?;
    let document = read(db, key)?.ok_or_else(|| absent(path.given(), ""))?;
    let (path, budget) = (path.parse()?, Budget::new());
    let position = |value: &Json| match value {
        Json::Array(items) => {
            let start = from_either_end(start, items.len()).min(items.len().saturating_sub(1));
            let end = match end {
                0 => items.len(),
                end => from_either_end(end, items.len()).min(items.len()),
            };
            for (index, item) in items.iter().enumerate().take(end).skip(start) {
                if equal(item, &wanted, &budget)? {
                    return Ok(length(index));
                }
            }
            Ok(Value::Integer(-1))
        }
        other if path.is_legacy() => Err(expected("array", other.type_name())),
        _ => Ok(Value::Nil),
    };
    reply(document, &path, position, || Err(absent(path.full(), "")))
}
