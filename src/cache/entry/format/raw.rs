//! Bytes and strings as they are, for serde.

use std::fmt;

use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer, Visitor};
use serde::ser::{Impossible, SerializeSeq};
use serde::{Deserializer, Serialize, Serializer, forward_to_deserialize_any};

pub(super) fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NotRaw> {
    value.serialize(ToBytes { out: Vec::new() })
}

pub(super) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotRaw> {
    T::deserialize(FromBytes(bytes))
}

/// The value is neither bytes nor a string.
#[derive(Debug)]
pub(super) struct NotRaw;

impl fmt::Display for NotRaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither bytes nor a string")
    }
}

impl std::error::Error for NotRaw {}

impl serde::ser::Error for NotRaw {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl serde::de::Error for NotRaw {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! refuse {
    ($($method:ident($($arg:ty),*) -> $out:ty;)+) => {
        $(fn $method(self $(, _: $arg)*) -> Result<$out, NotRaw> {
            Err(NotRaw)
        })+
    };
}

/// The methods that neither serializer supports: all but those for strings, bytes and lists of `u8`.
macro_rules! refuse_the_rest {
    () => {
        refuse! {
            serialize_bool(bool) -> Self::Ok;
            serialize_i8(i8) -> Self::Ok;
            serialize_i16(i16) -> Self::Ok;
            serialize_i32(i32) -> Self::Ok;
            serialize_i64(i64) -> Self::Ok;
            serialize_u16(u16) -> Self::Ok;
            serialize_u32(u32) -> Self::Ok;
            serialize_u64(u64) -> Self::Ok;
            serialize_f32(f32) -> Self::Ok;
            serialize_f64(f64) -> Self::Ok;
            serialize_char(char) -> Self::Ok;
            serialize_none() -> Self::Ok;
            serialize_unit() -> Self::Ok;
            serialize_unit_struct(&'static str) -> Self::Ok;
            serialize_unit_variant(&'static str, u32, &'static str) -> Self::Ok;
            serialize_map(Option<usize>) -> Self::SerializeMap;
            serialize_struct(&'static str, usize) -> Self::SerializeStruct;
            serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
        }

        fn serialize_newtype_variant<T: Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> Result<Self::Ok, NotRaw> {
            Err(NotRaw)
        }

        type SerializeTupleStruct = Impossible<Self::Ok, NotRaw>;
        type SerializeTupleVariant = Impossible<Self::Ok, NotRaw>;
        type SerializeMap = Impossible<Self::Ok, NotRaw>;
        type SerializeStruct = Impossible<Self::Ok, NotRaw>;
        type SerializeStructVariant = Impossible<Self::Ok, NotRaw>;
    };
}

/// Takes a string, bytes, or a list of `u8`.
struct ToBytes {
    out: Vec<u8>,
}

impl Serializer for ToBytes {
    type Ok = Vec<u8>;
    type Error = NotRaw;
    type SerializeSeq = Self;
    type SerializeTuple = Self;

    fn serialize_str(self, text: &str) -> Result<Vec<u8>, NotRaw> {
        Ok(text.as_bytes().to_vec())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Vec<u8>, NotRaw> {
        Ok(bytes.to_vec())
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, NotRaw> {
        Ok(Self { out: Vec::with_capacity(length.unwrap_or(0)) })
    }

    fn serialize_tuple(self, length: usize) -> Result<Self, NotRaw> {
        self.serialize_seq(Some(length))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, NotRaw> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Vec<u8>, NotRaw> {
        value.serialize(self)
    }

    refuse! { serialize_u8(u8) -> Vec<u8>; }
    refuse_the_rest!();
}

impl SerializeSeq for ToBytes {
    type Ok = Vec<u8>;
    type Error = NotRaw;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotRaw> {
        self.out.push(value.serialize(ToByte)?);
        Ok(())
    }

    fn end(self) -> Result<Vec<u8>, NotRaw> {
        Ok(self.out)
    }
}

impl serde::ser::SerializeTuple for ToBytes {
    type Ok = Vec<u8>;
    type Error = NotRaw;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotRaw> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Vec<u8>, NotRaw> {
        Ok(self.out)
    }
}

/// Takes a `u8`.
struct ToByte;

impl Serializer for ToByte {
    type Ok = u8;
    type Error = NotRaw;
    type SerializeSeq = Impossible<u8, NotRaw>;
    type SerializeTuple = Impossible<u8, NotRaw>;

    fn serialize_u8(self, byte: u8) -> Result<u8, NotRaw> {
        Ok(byte)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u8, NotRaw> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u8, NotRaw> {
        value.serialize(self)
    }

    refuse! {
        serialize_str(&str) -> u8;
        serialize_bytes(&[u8]) -> u8;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
    }
    refuse_the_rest!();
}

/// Reads a string, bytes, or a list of `u8`.
struct FromBytes<'de>(&'de [u8]);

impl<'de> FromBytes<'de> {
    fn text(&self) -> Result<&'de str, NotRaw> {
        std::str::from_utf8(self.0).map_err(|_| NotRaw)
    }
}

impl<'de> Deserializer<'de> for FromBytes<'de> {
    type Error = NotRaw;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        match self.text() {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(self.0),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        visitor.visit_seq(SeqDeserializer::new(self.0.iter().copied().map(Byte)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, NotRaw> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotRaw> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotRaw> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char unit unit_struct tuple_struct map struct enum
        identifier ignored_any
    }
}

struct Byte(u8);

impl<'de> IntoDeserializer<'de, NotRaw> for Byte {
    type Deserializer = serde::de::value::U8Deserializer<NotRaw>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0.into_deserializer()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_strings_stay_as_they_are() -> Result<(), NotRaw> {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(to_vec(&bytes)?, bytes);
        assert_eq!(from_slice::<Vec<u8>>(&bytes)?, bytes);
        assert_eq!(to_vec("\"käse\"")?, "\"käse\"".as_bytes());
        assert_eq!(from_slice::<String>("\"käse\"".as_bytes())?, "\"käse\"");
        assert_eq!(to_vec(&Some([1_u8, 2, 3]))?, [1, 2, 3]);
        assert_eq!(from_slice::<Option<[u8; 3]>>(&[1, 2, 3])?, Some([1, 2, 3]));
        Ok(())
    }

    #[test]
    fn other_shapes_are_refused() {
        assert!(to_vec(&7_u8).is_err());
        assert!(to_vec(&[1_u16]).is_err());
        assert!(to_vec(&std::collections::BTreeMap::from([("a", "b")])).is_err());
        assert!(from_slice::<u64>(b"7").is_err());
        assert!(from_slice::<String>(&[0xff]).is_err());
    }
}
