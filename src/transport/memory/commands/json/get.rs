//! JSON.GET, JSON.MGET, JSON.TYPE and JSON.RESP.

use super::arguments::{Arguments, PathText};
use super::documents::{absent, read};
use crate::transport::memory::args::Args;
use crate::transport::memory::json::{Budget, Document, Json, Layout, Path, Writer};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::number;
use crate::{Error, Result, Value};

/// JSON.GET.
pub(super) fn get(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let (mut layout, mut paths) = (Layout::default(), Vec::new());
    while args.left() > 0 {
        let word = args.text()?;
        match word.to_ascii_uppercase().as_str() {
            "INDENT" => layout.indent = args.text()?,
            "NEWLINE" => layout.newline = args.text()?,
            "SPACE" => layout.space = args.text()?,
            "NOESCAPE" => {}
            "FORMAT" if paths.is_empty() => {
                return Err(Error::server("ERR FORMAT argument is not supported on RESP2"));
            }
            "FORMAT" => match args.text()? {
                "STRING" | "EXPAND1" | "EXPAND" => {}
                _ => return Err(Error::server("ERR wrong reply format")),
            },
            _ => paths.push(word),
        }
    }
    let Some(document) = read(db, key)? else { return Ok(Value::Nil) };
    let text = match paths[..] {
        [] => write_one(document, &PathText::ROOT.parse()?, layout)?,
        [path] => write_one(document, &Path::parse(path)?, layout)?,
        _ => write_many(document, &paths, layout)?,
    };
    Ok(Value::bulk(text))
}

/// The values of a path: as a list, or the first alone.
fn write_one(document: &Document, path: &Path<'_>, layout: Layout<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer::new(layout);
    if path.is_legacy() {
        let value = path.find_first(document.root(), &Budget::new())?;
        writer.value(value.ok_or_else(|| absent(path.full(), ""))?)?;
    } else {
        writer.array(path.find(document.root(), &Budget::new())?)?;
    }
    Ok(writer.finish())
}

/// An object of paths and their values. RedisJSON leaves out paths that it cannot read, and writes the others in any order.
fn write_many(document: &Document, paths: &[&str], layout: Layout<'_>) -> Result<Vec<u8>> {
    let budget = Budget::new();
    let mut found: indexmap::IndexMap<&str, Vec<&Json>> = indexmap::IndexMap::new();
    let parsed: Vec<_> = paths.iter().filter_map(|path| Path::parse(path).ok()).collect();
    let is_legacy = paths.iter().all(|path| Path::is_legacy_text(path));
    for path in &parsed {
        let values = match is_legacy {
            true => {
                let value = path.find_first(document.root(), &budget)?;
                vec![value.ok_or_else(|| absent(path.given(), ""))?]
            }
            false => path.find(document.root(), &budget)?,
        };
        found.insert(path.given(), values);
    }
    let mut writer = Writer::new(layout);
    writer.object(found, |writer, values| match values[..] {
        [value] if is_legacy => writer.value(value),
        _ => writer.array(values),
    })?;
    Ok(writer.finish())
}

/// JSON.MGET.
pub(super) fn get_many(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (keys, path) = Arguments::new(args).keys_and_path()?;
    let path = path.parse().ok();
    let values = keys.map(|key| {
        let document = read(db, key).ok().flatten();
        let text = document
            .zip(path.as_ref())
            .and_then(|(document, path)| write_one(document, path, Layout::default()).ok());
        text.map_or(Value::Nil, Value::bulk)
    });
    Ok(Value::Array(values.collect()))
}

/// JSON.TYPE.
pub(super) fn type_of(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else { return Ok(Value::Nil) };
    let path = match path.parse() {
        Err(_) if path.is_legacy() => return Ok(Value::Nil),
        path => path?,
    };
    reply(document, &path, |value| Ok(Value::bulk(value.type_name())), || Ok(Value::Nil))
}

/// JSON.RESP.
pub(super) fn resp(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path_or_root()?;
    let Some(document) = read(db, key)? else { return Ok(Value::Nil) };
    let (path, budget) = (path.parse()?, Budget::new());
    reply(document, &path, |value| as_resp(value, &budget), || Err(absent(path.full(), "")))
}

/// A reply for each value of a path, or for the first alone.
pub(super) fn reply(
    document: &Document,
    path: &Path<'_>,
    of: impl Fn(&Json) -> Result<Value>,
    missing: impl FnOnce() -> Result<Value>,
) -> Result<Value> {
    let budget = Budget::new();
    if path.is_legacy() {
        return path.find_first(document.root(), &budget)?.map_or_else(missing, of);
    }
    let values = path.find(document.root(), &budget)?;
    values.into_iter().map(of).collect::<Result<_>>().map(Value::Array)
}

fn as_resp(value: &Json, budget: &Budget) -> Result<Value> {
    budget.spend(1)?;
    Ok(match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Simple(if *value { "true" } else { "false" }.into()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::Integer(number),
            (None, Some(number)) if number == 0.0 && number.is_sign_negative() => Value::bulk("-0"),
            (None, number) => Value::bulk(number::show(number.unwrap_or_default())),
        },
        Json::String(text) => Value::bulk(text.clone()),
        Json::Array(items) => {
            let mut values = vec![Value::Simple("[".into())];
            for item in items {
                values.push(as_resp(item, budget)?);
            }
            Value::Array(values)
        }
        Json::Object(members) => {
            let mut values = vec![Value::Simple("{".into())];
            for (name, value) in members.iter() {
                values.push(Value::bulk(name.to_string()));
                values.push(as_resp(value, budget)?);
            }
            Value::Array(values)
        }
    })
}
