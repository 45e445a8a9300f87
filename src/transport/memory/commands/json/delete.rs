//! JSON.DEL, JSON.FORGET and JSON.CLEAR.

use super::arguments::Arguments;
use super::documents::{change, existing, places, read};
use crate::transport::memory::args::Args;
use crate::transport::memory::commands::replies::length;
use crate::transport::memory::json::{Json, in_removal_order};
use crate::transport::memory::keyspace::Keyspace;
use crate::{Result, Value};

/// JSON.DEL and JSON.FORGET.
pub(super) fn delete(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else { return Ok(length(0)) };
    if path.is_root() {
        db.remove(key);
        return Ok(length(1));
    }
    let places = places(document, &path.parse()?, |_| true)?;
    if places.is_empty() {
        return Ok(length(0));
    }
    let places = in_removal_order(places.into_iter().flatten().collect());
    change(db, key, |document| Ok(length(document.remove(&places))))
}

/// JSON.CLEAR.
pub(super) fn clear(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let places = places(existing(db, key)?, &path.parse()?, |value| match value {
        Json::Number(number) => number.as_f64() != Some(0.0),
        value => value.length().is_some_and(|length| length > 0),
    })?;
    let places = in_removal_order(places.into_iter().flatten().collect());
    if places.is_empty() {
        return Ok(length(0));
    }
    change(db, key, |document| {
        let cleared = places.iter().filter(|place| {
            let empty = match document.get(place) {
                Some(Json::Array(_)) => Json::Array(Vec::new()),
                Some(Json::Object(_)) => Json::Object(Box::default()),
                _ => Json::Number(0.into()),
            };
            document.set(place, empty)
        });
        Ok(length(cleared.count()))
    })
}
