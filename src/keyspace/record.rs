//! Converts records to the fields of a hash, and back.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    Unexpected, Visitor,
};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::Value;
use serde_json::de::SliceRead;

/// The fields of a record, sorted by name, without those that are `None`. `None` if the record is not a struct.
pub(super) fn to_fields(record: &impl Serialize) -> Option<Vec<(String, String)>> {
    let Ok(Value::Object(fields)) = serde_json::to_value(record) else { return None };
    Some(fields.into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect())
}

/// The text of one value, or `None` for `None`. JSON has the fields in the order of their declaration, so that the same
/// record is always the same text.
pub(super) fn to_text(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Option<String>> {
    match serde_json::to_value(value)? {
        Value::Array(_) | Value::Object(_) => serde_json::to_string(value).map(Some),
        scalar => Ok(text(scalar)),
    }
}

/// Parses a value from its text.
pub(super) fn from_text<T: DeserializeOwned>(text: &[u8]) -> Result<T, Broken> {
    T::deserialize(Field(text))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        Value::Number(number) => Some(digits(&number)),
        other => Some(other.to_string()),
    }
}

/// The number in JavaScript's form: 250 and not 250.0.
fn digits(number: &serde_json::Number) -> String {
    /// JavaScript and Rust write larger numbers in the same form.
    const LARGEST: f64 = 1e15;
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(whole) if whole.fract() == 0.0 && whole.abs() < LARGEST => format!("{whole:.0}"),
        _ => number.to_string(),
    }
}

/// The record with these fields. Unknown fields are ignored.
pub(super) fn from_fields<T: DeserializeOwned>(
    fields: &HashMap<String, Bytes>,
) -> Result<T, Broken> {
    T::deserialize(MapAccessDeserializer::new(Fields { rest: fields.iter(), value: None }))
}

/// The names of a record's fields in Redis; `None` if it is not a struct.
pub(super) fn field_names<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    let mut names = None;
    let _ = T::deserialize(Names(&mut names));
    names
}

/// Why a stored value is not such a record. It shows no value.
#[derive(Debug)]
pub(super) struct Broken {
    /// The place, such as `metadata.tokens` or `history[3]`; empty for the whole value.
    pub(super) field: String,
    pub(super) why: String,
}

const MISSING: &str = "it is missing";

impl Broken {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { field: String::new(), why: why.into() }
    }

    /// The same error, inside of this field.
    pub(super) fn of_field(self, field: &str) -> Self {
        let point = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        Self { field: [field, point, &self.field].concat(), ..self }
    }

    /// The same error, inside of this item of an array.
    pub(super) fn of_item(self, at: usize) -> Self {
        self.of_field(&format!("[{at}]"))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, why } = self;
        match (field.as_str(), why.as_str()) {
            ("", why) => f.write_str(why),
            (field, MISSING) => write!(f, "the field '{field}' is missing"),
            (field, why) => write!(f, "the field '{field}': {why}"),
        }
    }
}

impl std::error::Error for Broken {}

impl de::Error for Broken {
    fn custom<T: fmt::Display>(_: T) -> Self {
        // It may quote the value.
        Self::new("it is not valid")
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of {}", expected.join(", ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("there is a field besides {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(MISSING).of_field(field)
    }
}

/// The fields of a hash, one by one.
struct Fields<'a> {
    rest: std::collections::hash_map::Iter<'a, String, Bytes>,
    value: Option<(&'a str, &'a [u8])>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Broken;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Broken> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some((name, value));
        seed.deserialize(name.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Broken> {
        let (name, value) = self.value.take().unwrap_or_default();
        seed.deserialize(Field(value)).map_err(|broken| broken.of_field(name))
    }
}

type JsonReader<'a> = serde_json::Deserializer<SliceRead<'a>>;

/// The text of one field.
#[derive(Clone, Copy)]
struct Field<'a>(&'a [u8]);

impl<'a> Field<'a> {
    fn text(self) -> Result<&'a str, Broken> {
        std::str::from_utf8(self.0).map_err(|_| Broken::new("it is not UTF-8"))
    }

    /// Reads it as JSON.
    fn json<T>(
        self,
        expected: &str,
        read: impl FnOnce(&mut JsonReader<'a>) -> serde_json::Result<T>,
    ) -> Result<T, Broken> {
        let mut json = JsonReader::from_slice(self.0);
        let value = read(&mut json).and_then(|value| json.end().map(|()| value));
        value.map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Broken::new(format!("expected {expected} as JSON (line {line}, column {column})"))
        })
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $kind:ty),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
            match self.text()?.parse::<$kind>() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Broken::new(format!("expected {}", &visitor as &dyn Expected))),
            }
        }
    )+};
}

macro_rules! as_json {
    ($($method:ident($($name:ident: $kind:ty),*)),+ $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, Broken> {
            let expected = format!("{}", &visitor as &dyn Expected);
            self.json(&expected, |json| json.$method($($name,)* visitor))
        }
    )+};
}

impl<'de> Deserializer<'de> for Field<'de> {
    type Error = Broken;

    parsed! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_u128 visit_u128 u128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64,
        deserialize_char visit_char char,
    }

    as_json! {
        deserialize_seq(), deserialize_map(), deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        visitor.visit_bytes(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Broken> {
        visitor.visit_newtype_struct(self)
    }

    /// A variant without content is its name; one with content is JSON.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        if self.0.first() == Some(&b'{') {
            let expected = format!("one of {}", variants.join(", "));
            return self.json(&expected, |json| json.deserialize_enum(name, variants, visitor));
        }
        visitor.visit_enum(self.text()?.into_deserializer())
    }

    forward_to_deserialize_any! { str string unit unit_struct identifier ignored_any }
}

/// Finds the names of a struct's fields.
struct Names<'a>(&'a mut Option<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Broken;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Broken> {
        Err(Broken::new(""))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Broken> {
        *self.0 = Some(fields);
        Err(Broken::new(""))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        name: String,
        count: i64,
        rate: f64,
        is_on: bool,
        level: Level,
        parts: Vec<u8>,
        note: Option<String>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Low,
        High { by: u8 },
    }

    fn record(level: Level) -> Record {
        let (name, note) = ("12".to_owned(), None);
        Record { name, count: -3, rate: 250.0, is_on: true, level, parts: vec![1, 2], note }
    }

    fn fields(record: &Record) -> HashMap<String, Bytes> {
        let fields = to_fields(record).unwrap();
        fields.into_iter().map(|(name, text)| (name, text.into())).collect()
    }

    #[test]
    fn a_record_is_its_fields() {
        for level in [Level::Low, Level::High { by: 2 }] {
            let record = record(level);
            assert_eq!(from_fields::<Record>(&fields(&record)).unwrap(), record);
        }
        let stored = fields(&record(Level::Low));
        let text = |name: &str| std::str::from_utf8(&stored[name]).unwrap();
        assert_eq!(["12", "-3", "250"], ["name", "count", "rate"].map(text));
        assert_eq!(["true", "low", "[1,2]"], ["isOn", "level", "parts"].map(text));
        assert!(!stored.contains_key("note"));
        assert_eq!(field_names::<Record>().unwrap()[3], "isOn");
        assert_eq!(field_names::<Vec<u8>>(), None);
    }

    #[test]
    fn what_is_broken_is_named_and_not_shown() {
        for (field, value, expected) in [
            ("count", "secret", "the field 'count': expected i64"),
            ("level", "secret", "the field 'level': expected one of low, high"),
            (
                "parts",
                "[\"secret\"]",
                "the field 'parts': expected a sequence as JSON (line 1, column 9)",
            ),
            ("isOn", "secret", "the field 'isOn': expected a boolean"),
        ] {
            let mut fields = fields(&record(Level::Low));
            fields.insert(field.to_owned(), value.into());
            assert_eq!(from_fields::<Record>(&fields).unwrap_err().to_string(), expected);
        }
        let mut fields = fields(&record(Level::Low));
        fields.remove("rate");
        let missing = from_fields::<Record>(&fields).unwrap_err().to_string();
        assert_eq!(missing, "the field 'rate' is missing");
    }
}
