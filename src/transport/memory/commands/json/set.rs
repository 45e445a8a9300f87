//! JSON.SET, JSON.MSET and JSON.MERGE.

use bytes::Bytes;

use super::arguments::Arguments;
use super::documents::{change, read};
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::json::{Budget, Document, Json, Path, Place};
use crate::transport::memory::keyspace::{Data, Keyspace};
use crate::{Error, Result, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfAbsent,
    IfPresent,
}

/// Where a command changes a document.
enum Targets {
    /// At values that are there.
    Values(Vec<Place>),
    /// New members of objects at these places, with this name.
    Members(Vec<Place>, Box<str>),
}

impl Targets {
    fn find(path: &Path<'_>, document: &Document, condition: Condition) -> Result<Self> {
        let budget = Budget::new();
        if condition != Condition::IfAbsent {
            let found = path.find_places(document.root(), &budget)?;
            if !found.is_empty() || condition == Condition::IfPresent {
                return Ok(Self::Values(found.into_iter().map(|found| found.place).collect()));
            }
        }
        if !path.is_static() {
            return Err(Error::server("Err wrong static path"));
        }
        match path.last_name() {
            Some(name) => {
                let containers = path.find_containers(document.root(), &budget)?;
                Ok(Self::Members(containers, name.into()))
            }
            // It is there, or lies outside of its array.
            None if path.find_first(document.root(), &budget)?.is_some() => {
                Ok(Self::Values(Vec::new()))
            }
            None => Err(Error::server("ERR array index out of range")),
        }
    }

    fn check_room(&self, value: &Json) -> Result<()> {
        match self {
            Self::Values(places) => Document::check_room(places.iter(), value, 0),
            Self::Members(places, _) => Document::check_room(places.iter(), value, 1),
        }
    }

    /// Sets the value at all of them. Returns whether that changed anything.
    fn set(self, document: &mut Document, value: &Json) -> bool {
        match self {
            Self::Values(places) => at_all(&places, |place| document.set(place, value.clone())),
            Self::Members(places, name) => {
                at_all(&places, |place| document.add(place, &name, value.clone()))
            }
        }
    }
}

/// Changes each place. Returns whether any of them changed.
fn at_all(places: &[Place], mut change: impl FnMut(&Place) -> bool) -> bool {
    places.iter().filter(|place| change(place)).count() > 0
}

fn read_value(text: &str) -> Result<Json> {
    Json::read_first(text).map_err(|message| Error::server(&message))
}

/// Stores a document under a key, which keeps its time to live.
fn put(db: &mut Keyspace, key: &[u8], root: Json) {
    let expires_at = db.entry(key).and_then(|entry| entry.expires_at);
    db.put(Bytes::copy_from_slice(key), Data::Json(Document::new(root)), expires_at);
}

fn done(done: bool) -> Value {
    if done { Value::OK } else { Value::Nil }
}

fn not_at_root() -> Error {
    Error::server("ERR new objects must be created at the root")
}

/// JSON.SET.
pub(super) fn set(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let (key, path, text) = (args.bytes()?, args.path()?, args.text()?);
    let (mut condition, mut is_bson) = (Condition::Always, false);
    while args.left() > 0 {
        match args.text()?.to_ascii_uppercase().as_str() {
            "NX" if condition == Condition::Always => condition = Condition::IfAbsent,
            "XX" if condition == Condition::Always => condition = Condition::IfPresent,
            "FORMAT" => match args.text()? {
                "STRING" | "JSON" => is_bson = false,
                "BSON" => is_bson = true,
                _ => return Err(Error::server("ERR wrong format")),
            },
            _ => return Err(syntax()),
        }
    }
    let exists = read(db, key)?.is_some();
    if is_bson {
        return Err(Error::server("ERR the embedded engine reads no BSON"));
    }
    let value = read_value(text)?;
    match (exists, condition) {
        (true, Condition::IfAbsent) | (false, Condition::IfPresent) if path.is_root() => {
            Ok(Value::Nil)
        }
        (_, _) if path.is_root() => {
            put(db, key, value);
            Ok(Value::OK)
        }
        (false, Condition::IfPresent) => Ok(Value::Nil),
        (false, _) => Err(not_at_root()),
        (true, _) => change(db, key, |document| {
            let targets = Targets::find(&path.parse()?, document, condition)?;
            targets.check_room(&value)?;
            Ok(done(targets.set(document, &value)))
        }),
    }
}

/// JSON.MSET.
pub(super) fn set_many(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    if args.left() < 3 || !args.left().is_multiple_of(3) {
        return Err(args.wrong_arity());
    }
    // Everything is checked before anything changes.
    let mut changes = Vec::new();
    while args.left() > 0 {
        let (key, path, text) = (args.bytes()?, args.path()?, args.text()?);
        let change = match read(db, key)? {
            _ if path.is_root() => (None, read_value(text)?),
            Some(document) => {
                let targets = Targets::find(&path.parse()?, document, Condition::Always)?;
                let value = read_value(text)?;
                targets.check_room(&value)?;
                (Some(targets), value)
            }
            None => return Err(not_at_root()),
        };
        changes.push((key, change));
    }
    for (key, (targets, value)) in changes {
        match targets {
            None => put(db, key, value),
            // An earlier change may have removed the places.
            Some(targets) => {
                change(db, key, |document| Ok(targets.set(document, &value)))?;
            }
        }
    }
    Ok(Value::OK)
}

/// JSON.MERGE.
pub(super) fn merge(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let (key, path, text) = (args.bytes()?, args.path()?, args.text()?);
    if args.left() > 0 {
        return Err(syntax());
    }
    let exists = read(db, key)?.is_some();
    let patch = read_value(text)?;
    if !exists {
        if !path.is_root() {
            return Err(not_at_root());
        }
        put(db, key, patch);
        return Ok(Value::OK);
    }
    change(db, key, |document| {
        let targets = Targets::find(&path.parse()?, document, Condition::Always)?;
        targets.check_room(&patch)?;
        Ok(done(match targets {
            Targets::Values(places) => at_all(&places, |place| document.merge(place, &patch)),
            members @ Targets::Members(..) => members.set(document, &patch),
        }))
    })
}
