//! JSON.TOGGLE.

use super::arguments::Arguments;
use super::documents::{Replies, absent, change_each};
use crate::transport::memory::args::Args;
use crate::transport::memory::json::Json;
use crate::transport::memory::keyspace::Keyspace;
use crate::{Result, Value};

/// JSON.TOGGLE. With a path of the older kind it replies with a word.
pub(super) fn toggle(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path()?;
    let replies = change_each(
        db,
        key,
        path,
        |value| matches!(value, Json::Bool(_)),
        |path| absent(path.full(), " or not a bool"),
        |document, place| {
            let toggled = document.change(place, |value, _| match value {
                Json::Bool(value) => {
                    *value = !*value;
                    *value
                }
                _ => false,
            });
            Ok(toggled.unwrap_or_default())
        },
    )?;
    Ok(match replies {
        Replies::Last(value) => Value::bulk(if value { "true" } else { "false" }),
        each => each.into_value(Value::from),
    })
}
