//! Reads records from parsed JSON. Its errors name the place and the reason, and show no value.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

use super::record::Broken;

/// A JSON value.
#[derive(Clone, Copy)]
pub(super) struct Node<'a>(pub(super) &'a Value);

impl<'de> Node<'de> {
    /// Reads an object. Errors name only fields that the type has.
    fn object<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        match self.0 {
            Value::Object(members) => {
                visitor.visit_map(Members { rest: members.iter(), value: None, names })
            }
            _ => self.deserialize_any(visitor),
        }
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Broken;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(yes) => visitor.visit_bool(*yes),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., number) => visitor.visit_f64(number.unwrap_or(f64::NAN)),
            },
            Value::Array(items) => visitor.visit_seq(Items { rest: items.iter().enumerate() }),
            Value::Object(_) => self.object(&[], visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Broken> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Broken> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        self.object(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(members) if members.len() == 1 => match members.iter().next() {
                Some((name, content)) => {
                    visitor.visit_enum(Variant { name, content: Some(content) })
                }
                None => Err(de::Error::invalid_type(Unexpected::Map, &"a variant")),
            },
            _ => Err(de::Error::invalid_type(Unexpected::Other("JSON"), &"a variant")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Members<'a> {
    rest: serde_json::map::Iter<'a>,
    value: Option<(&'a str, &'a Value)>,
    names: &'static [&'static str],
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Broken;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Broken> {
        let Some((name, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some((name, value));
        let key: StrDeserializer<'_, Broken> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Broken> {
        let (name, value) = self.value.take().unwrap_or(("", &Value::Null));
        // Other names are data of the value.
        let named = self.names.contains(&name);
        let in_place = |broken: Broken| broken.of_field(if named { name } else { "…" });
        seed.deserialize(Node(value)).map_err(in_place)
    }
}

struct Items<'a> {
    rest: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Broken;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Broken> {
        let Some((at, item)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Node(item)).map(Some).map_err(|broken| broken.of_item(at))
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Value>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Broken;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'de>), Broken> {
        let name: StrDeserializer<'_, Broken> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

/// The content of a variant.
struct Content<'a>(Option<&'a Value>);

impl<'a> Content<'a> {
    fn node(self) -> Result<Node<'a>, Broken> {
        self.0.map(Node).ok_or_else(|| Broken::new("expected the content of a variant"))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Broken;

    fn unit_variant(self) -> Result<(), Broken> {
        match self.0 {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Broken::new("expected a variant without content")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Broken> {
        seed.deserialize(self.node()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Broken> {
        self.node()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        self.node()?.object(fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use crate::keyspace::stored::{Mismatch, Stored};

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes is looked at")]
    struct Answer {
        text: String,
        metadata: Metadata,
        parts: Vec<Part>,
        by_name: BTreeMap<String, u8>,
        note: Option<i8>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes is looked at")]
    struct Metadata {
        tokens: u32,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only whether it decodes is looked at")]
    enum Part {
        End,
        Text { length: u8 },
        Pair(u8, bool),
    }

    fn json<T: serde::de::DeserializeOwned>(text: &[u8]) -> Result<(), Mismatch> {
        crate::keyspace::stored::json::<T>(&Stored::String(text.to_vec().into()))
    }

    fn why(text: &str) -> (Option<String>, String) {
        let mismatch = json::<Answer>(text.as_bytes()).unwrap_err();
        (mismatch.field, mismatch.why)
    }

    #[test]
    fn what_does_not_decode_is_named_and_not_shown() {
        const GOOD: &str = r#"{"text":"a","metadata":{"tokens":7},"parts":["End",{"Text":{"length":1}},{"Pair":[1,true]}],"by_name":{"x":1},"note":null,"more":1}"#;
        assert!(json::<Answer>(GOOD.as_bytes()).is_ok());
        for (from, to, field, expected) in [
            ("\"a\"", "7", "text", "expected a string"),
            (":7", ":\"secret\"", "metadata.tokens", "expected u32"),
            (":7", ":-1", "metadata.tokens", "expected u32"),
            ("\"tokens\":7", "", "metadata.tokens", "it is missing"),
            ("\"length\":1", "\"length\":\"secret\"", "parts[1].length", "expected u8"),
            ("[1,true]", "[1,2]", "parts[2][1]", "expected a boolean"),
            ("\"End\"", "\"secret\"", "parts[0]", "expected one of End, Text, Pair"),
            ("{\"x\":1}", "{\"secret\":true}", "by_name.…", "expected u8"),
            ("null", "1000", "note", "expected i8"),
        ] {
            let expected = (Some(field.to_owned()), expected.to_owned());
            assert_eq!(why(&GOOD.replacen(from, to, 1)), expected, "{to}");
        }
        assert_eq!(why("[]").1, "expected struct Answer with 5 elements");
        assert_eq!(why("{secret"), (None, "it is not JSON (line 1, column 2)".to_owned()));
        assert_eq!(why("").1, "it is not JSON (line 1, column 0)");
        // Whoever reads the text finds two fields where the parsed value has one.
        let twice = GOOD.replacen("\"text\":\"a\"", "\"text\":\"a\",\"text\":\"a\"", 1);
        assert!(why(&twice).1.starts_with("it is not valid (line 1, column "));
    }
}
