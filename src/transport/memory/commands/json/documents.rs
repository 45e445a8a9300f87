//! The documents of keys, and the values of paths in them that have a type.

use super::arguments::PathText;
use crate::transport::memory::json::{Budget, Document, Json, Path, Place};
use crate::transport::memory::keyspace::Keyspace;
use crate::{Error, Result, Value};

pub(super) fn wrong_kind() -> Error {
    Error::server("Existing key has wrong Redis type")
}

pub(super) fn no_key() -> Error {
    Error::server("ERR could not perform this operation on a key that doesn't exist")
}

/// The error of a path that finds nothing.
pub(super) fn absent(path: &str, or: &str) -> Error {
    Error::server(&format!("ERR Path '{path}' does not exist{or}"))
}

/// The error of a value of another type.
pub(super) fn expected(kind: &str, found: &str) -> Error {
    Error::server(&format!(
        "WRONGTYPE wrong type of path value - expected {kind} but found {found}"
    ))
}

pub(super) fn read<'a>(db: &'a Keyspace, key: &[u8]) -> Result<Option<&'a Document>> {
    db.read::<Document>(key).map_err(|_| wrong_kind())
}

pub(super) fn existing<'a>(db: &'a Keyspace, key: &[u8]) -> Result<&'a Document> {
    read(db, key)?.ok_or_else(no_key)
}

/// Changes a document that is there.
pub(super) fn change<R>(
    db: &mut Keyspace,
    key: &[u8],
    change: impl FnOnce(&mut Document) -> Result<R>,
) -> Result<R> {
    db.change::<Document, _>(key, change)?.ok_or_else(no_key)
}

/// The places of the values that a path finds, in its order: none for a value that is not a wanted one.
pub(super) fn places(
    document: &Document,
    path: &Path<'_>,
    is_wanted: impl Fn(&Json) -> bool,
) -> Result<Vec<Option<Place>>> {
    let found = path.find_places(document.root(), &Budget::new())?;
    Ok(found.into_iter().map(|found| is_wanted(found.value).then_some(found.place)).collect())
}

/// Changes all wanted values of a path in their order, and replies as its kind asks for: with one reply for each value that it
/// finds, or with the last one. `missing` makes the error if a path of the older kind finds no wanted value.
pub(super) fn change_each<R>(
    db: &mut Keyspace,
    key: &[u8],
    path: PathText<'_>,
    is_wanted: impl Fn(&Json) -> bool,
    missing: impl FnOnce(&Path<'_>) -> Error,
    mut act: impl FnMut(&mut Document, &Place) -> Result<R>,
) -> Result<Replies<R>> {
    let document = existing(db, key)?;
    let path = path.parse()?;
    let places = places(document, &path, is_wanted)?;
    if !places.iter().any(Option::is_some) {
        return match path.is_legacy() {
            true => Err(missing(&path)),
            false => Ok(Replies::Each(places.iter().map(|_| None).collect())),
        };
    }
    let replies = change(db, key, |document| {
        let each =
            places.iter().map(|place| place.as_ref().map(|place| act(document, place)).transpose());
        each.collect::<Result<Vec<_>>>()
    })?;
    match path.is_legacy() {
        true => {
            let last = replies.into_iter().flatten().next_back();
            last.map(Replies::Last).ok_or_else(|| missing(&path))
        }
        false => Ok(Replies::Each(replies)),
    }
}

/// What a command replies about the values of a path.
pub(super) enum Replies<R> {
    /// Of a path of the older kind.
    Last(R),
    /// One for each value; none for a value that is not a wanted one.
    Each(Vec<Option<R>>),
}

impl<R> Replies<R> {
    pub(super) fn into_value(self, reply: impl Fn(R) -> Value) -> Value {
        match self {
            Self::Last(last) => reply(last),
            Self::Each(each) => {
                Value::Array(each.into_iter().map(|one| one.map_or(Value::Nil, &reply)).collect())
            }
        }
    }
}
