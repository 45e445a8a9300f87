use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::keyspace::declaration::is_identifier;
use crate::keyspace::{Declaration, KeyTtl, RedisType};

/// The JSON Schema (draft 2020-12) of a database with these keyspaces: an object whose names are the keys.
///
/// Each value is the decoded content of a key: a hash is an object of its fields, a list or a set is an array, and a sorted
/// set is an array of `{"member": …, "score": …}`. Undeclared keys are refused. `x-redis` has the name, pattern, type and
/// encoding of each keyspace, its time to live in seconds (`null`: no expiry), what renews it, and its owner.
///
/// The schema of a record is that of its type if the type is a [`JsonSchema`](schemars::JsonSchema); otherwise it accepts
/// anything. It describes what may be read: a field with a default may be absent.
///
/// The same declarations give the same schema, byte for byte.
///
/// ```
/// use edgecask::keyspace::json_schema;
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, JsonSchema)]
/// pub struct Profile {
///     name: String,
///     visits: u64,
/// }
///
/// edgecask::keyspaces! {
///     /// The keys of the shop.
///     pub mod shop, owner: "shop" {
///         /// A customer.
///         profile(id: u64) => Hash<Profile>, "shop:profile:{id}", ttl: 30 days renewed on activity;
///     }
/// }
///
/// # fn main() {
/// let schema = json_schema(shop::DECLARATIONS);
/// let profiles = &schema["patternProperties"]["^shop:profile:[^:]+$"];
/// assert_eq!(profiles["$ref"], "#/$defs/Profile");
/// assert_eq!(profiles["x-redis"]["ttlSeconds"], 2_592_000);
/// # }
/// ```
pub fn json_schema<'a>(declarations: impl IntoIterator<Item = &'a Declaration>) -> Value {
    let (records, definitions) = records(declarations);
    let (mut keys, mut patterns) = (Map::new(), Map::new());
    for (declaration, record) in records {
        let schema = of_value(declaration, record);
        let has_identifier =
            declaration.pattern.split(':').any(|part| is_identifier(part.as_bytes()));
        match has_identifier {
            true => patterns.insert(regex(declaration), schema),
            false => keys.insert(declaration.pattern.to_owned(), schema),
        };
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": keys,
        "patternProperties": patterns,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// The schema of each declaration's record, and the definitions that they refer to.
pub(super) fn records<'a>(
    declarations: impl IntoIterator<Item = &'a Declaration>,
) -> (Vec<(&'a Declaration, Value)>, Map<String, Value>) {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut record = |declaration: &'a Declaration| {
        let schema = declaration.schema.map(|describe| describe(&mut generator).to_value());
        (declaration, schema.unwrap_or(Value::Bool(true)))
    };
    let records = declarations.into_iter().map(&mut record).collect();
    let mut definitions = generator.take_definitions(true);
    definitions.values_mut().for_each(cut_examples);
    (records, definitions)
}

/// Removes the examples in Rust from the descriptions.
fn cut_examples(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => {
                        let end = text.find("```").unwrap_or(text.len());
                        text.truncate(end);
                        text.truncate(text.trim_end().len());
                    }
                    member => cut_examples(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(cut_examples),
        _ => {}
    }
}

/// The schema of a key's content.
fn of_value(declaration: &Declaration, record: Value) -> Value {
    let schema = match declaration.redis_type {
        RedisType::String | RedisType::Hash => record,
        RedisType::List => json!({ "type": "array", "items": record }),
        RedisType::Set => json!({ "type": "array", "items": record, "uniqueItems": true }),
        RedisType::SortedSet => json!({
            "type": "array",
            "items": {
                "type": "object",
                "properties": { "member": record, "score": { "type": "number" } },
                "required": ["member", "score"],
            },
        }),
    };
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    };
    if let Some(items) = declaration.keep {
        schema.insert("maxItems".to_owned(), items.into());
    }
    let doc = declaration.doc_line();
    if !doc.is_empty() {
        schema.insert("description".to_owned(), doc.into());
    }
    let (ttl, renewed_by) = ttl(declaration.ttl);
    let redis = json!({
        "name": declaration.name,
        "pattern": declaration.pattern,
        "type": declaration.redis_type.as_str(),
        "encoding": declaration.encoding.as_str(),
        "record": declaration.record,
        "ttlSeconds": ttl,
        "renewedBy": renewed_by,
        "owner": declaration.owner,
    });
    schema.insert("x-redis".to_owned(), redis);
    Value::Object(schema)
}

/// A time to live in seconds, and which operation renews it.
pub(super) fn ttl(ttl: KeyTtl) -> (Option<u64>, Option<&'static str>) {
    let renewed_by = match ttl {
        KeyTtl::Forever => None,
        KeyTtl::OnWrite(_) => Some("write"),
        KeyTtl::OnActivity(_) => Some("activity"),
        KeyTtl::FromCreation(_) => Some("creation"),
    };
    (ttl.after_write().map(|ttl| ttl.as_secs()), renewed_by)
}

/// A regular expression of ECMA-262 for the keys of a declaration.
fn regex(declaration: &Declaration) -> String {
    let parts = declaration.pattern.split(':').map(|part| match is_identifier(part.as_bytes()) {
        false => escaped(part),
        true if declaration.except.is_empty() => "[^:]+".to_owned(),
        true => {
            let words: Vec<_> = declaration.except.iter().map(|word| escaped(word)).collect();
            format!("(?!(?:{})(?::|$))[^:]+", words.join("|"))
        }
    });
    format!("^{}$", parts.collect::<Vec<_>>().join(":"))
}

fn escaped(text: &str) -> String {
    let escape = |character: char| match character {
        '^' | '$' | '\\' | '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|'
        | '/' => {
            format!("\\{character}")
        }
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}
