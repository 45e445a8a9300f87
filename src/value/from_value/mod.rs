//! How a reply becomes a Rust value.

mod collection;
mod number;

pub use collection::Pairs;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Value, double_text};
use crate::{Error, ErrorKind, Result};

/// A Rust type that a reply can become.
///
/// | type | reply |
/// |---|---|
/// | integers, and `NonZero` of each | an integer, or its decimal text; a number that does not fit is an error, and so is 0 for `NonZero` |
/// | `f64`, `f32` | a number, or its decimal text, as the nearest number; an integer must be exact, and a finite number must stay finite |
/// | `bool` | a boolean, or 0 or 1 as an integer or as text |
/// | `String`, `Box<str>`, `Arc<str>`, `Rc<str>`, `char` | UTF-8 text, or a number as decimal text |
/// | [`Bytes`], `Vec<u8>`, `Box<[u8]>`, `Arc<[u8]>` | any string, or a number as decimal text |
/// | `Option<T>` | nil, or a reply for `T` |
/// | `Vec<T>`, `VecDeque<T>`, sets, arrays `[T; N]`, tuples up to twelve | an array or a set; a map counts as its flat array in RESP2 |
/// | maps, [`Pairs`], `Vec<(K, V)>` | a map, a flat array, or an array of pairs |
/// | `Uuid`, with the feature `uuid` | its text |
/// | [`Json<T>`](Json) | JSON text |
/// | [`Value`] | any reply, unchanged |
/// | `()` | anything but nil |
///
/// The rules are strict. Nil becomes `None` and nothing else. A number is parsed only for a number type. Text is parsed as
/// JSON only for [`Json`]. Every type except [`Value`] reads the same from RESP2, RESP3 and REST.
///
/// ```
/// use edgecask::{FromValue, Value};
///
/// assert_eq!(i64::from_value(Value::bulk("42"))?, 42);
/// assert_eq!(String::from_value(Value::bulk("null"))?, "null");
/// assert_eq!(Option::<String>::from_value(Value::Nil)?, None);
/// assert!(String::from_value(Value::Nil).is_err());
/// # Ok::<(), edgecask::Error>(())
/// ```
pub trait FromValue: Sized {
    /// Converts the reply.
    ///
    /// # Errors
    /// [`ErrorKind::Type`] if the reply has another type, and [`ErrorKind::Server`] for a [`Value::Error`].
    fn from_value(value: Value) -> Result<Self>;

    /// Converts a reply with many items. Bytes and pairs override it.
    #[doc(hidden)]
    fn many_from_value(value: Value) -> Result<Vec<Self>> {
        each(value)
    }
}

/// The items of an array, a set, or a map in its RESP2 form.
fn items(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        other => mismatch("an array", &other),
    }
}

/// Converts each item separately, even if `T` is `u8`.
fn each<T: FromValue, C: FromIterator<T>>(value: Value) -> Result<C> {
    items(value)?.into_iter().map(T::from_value).collect()
}

fn mismatch<T>(wanted: &'static str, got: &Value) -> Result<T> {
    if let Value::Error(text) = got {
        // The text may quote arguments, so only its code is kept.
        let error = Error::server(&String::from_utf8_lossy(text));
        let message = "an item of the reply is an error: ask for Value to read it";
        return Err(Error::new(ErrorKind::Server, message).with_code(error.code()));
    }
    Err(Error::new(ErrorKind::Type, format!("asked for {wanted}, the reply is {}", got.describe())))
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

/// Any reply but nil: a plain confirmation.
impl FromValue for () {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Nil | Value::Error(_) => mismatch("a confirmation", &value),
            _ => Ok(()),
        }
    }
}

/// A boolean, or 0 or 1: commands such as EXISTS reply with the integers, and a `bool` argument is stored as text.
impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Boolean(yes) => Ok(yes),
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            other => match other.as_bytes() {
                Some(b"0") => Ok(false),
                Some(b"1") => Ok(true),
                _ => mismatch("0 or 1", &other),
            },
        }
    }
}

impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Simple(bytes)
            | Value::Bulk(bytes)
            | Value::BigNumber(bytes)
            | Value::Verbatim { text: bytes, .. } => Ok(bytes),
            Value::Integer(number) => Ok(number.to_string().into()),
            Value::Boolean(yes) => Ok(Self::from_static(if yes { b"1" } else { b"0" })),
            Value::Double(number) => Ok(double_text(number).into()),
            other => mismatch("bytes", &other),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self> {
        Self::from_utf8(Bytes::from_value(value)?.into()).map_err(|_| {
            Error::new(
                ErrorKind::Type,
                "asked for text, the reply is not UTF-8: ask for Bytes instead",
            )
        })
    }
}

/// A text of one character.
impl FromValue for char {
    fn from_value(value: Value) -> Result<Self> {
        let text = value.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let mut characters = text.unwrap_or_default().chars();
        match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character),
            _ => mismatch("one character", &value),
        }
    }
}

macro_rules! from_owned {
    ($($kind:ty: $owned:ty),+) => {$(
        impl FromValue for $kind {
            fn from_value(value: Value) -> Result<Self> {
                <$owned>::from_value(value).map(Into::into)
            }
        }
    )+};
}
from_owned!(
    Box<str>: String,
    Arc<str>: String,
    Rc<str>: String,
    Box<[u8]>: Vec<u8>,
    Arc<[u8]>: Vec<u8>
);

/// Text in any of the forms that the `uuid` crate reads.
#[cfg(feature = "uuid")]
impl FromValue for uuid::Uuid {
    fn from_value(value: Value) -> Result<Self> {
        match value.as_bytes().map(Self::try_parse_ascii) {
            Some(Ok(id)) => Ok(id),
            _ => mismatch("a UUID", &value),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Nil => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// A value that is stored as JSON text.
///
/// ```
/// use edgecask::{FromValue, Json, Value};
///
/// let Json(numbers) = Json::<Vec<u64>>::from_value(Value::bulk("[1,18446744073709551615]"))?;
/// assert_eq!(numbers, [1, u64::MAX]);
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromValue for Json<T> {
    fn from_value(value: Value) -> Result<Self> {
        match value.as_bytes() {
            // serde_json's message may quote the text, so only the position is kept.
            Some(text) => serde_json::from_slice(text).map(Self).map_err(|error| {
                Error::new(
                    ErrorKind::Codec,
                    format!(
                        "the stored text is not the JSON that was asked for (line {}, column {})",
                        error.line(),
                        error.column()
                    ),
                )
            }),
            None => mismatch("JSON text", &value),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
    use std::num::NonZero;

    use super::*;

    #[test]
    fn integers_are_exact_to_both_ends() -> Result<()> {
        assert_eq!(i64::from_value(Value::Integer(i64::MIN))?, i64::MIN);
        assert_eq!(u64::from_value(Value::bulk("18446744073709551615"))?, u64::MAX);
        assert!(i64::from_value(Value::bulk("18446744073709551615")).is_err());
        assert!(u16::from_value(Value::Integer(65_536)).is_err());
        assert!(u64::from_value(Value::Integer(-1)).is_err());
        Ok(())
    }

    #[test]
    fn a_non_zero_integer_is_not_read_from_zero() -> Result<()> {
        assert_eq!(NonZero::<u64>::from_value(Value::bulk("7"))?.get(), 7);
        assert_eq!(NonZero::<i8>::from_value(Value::Integer(-128))?, NonZero::<i8>::MIN);
        assert_eq!(Option::<NonZero<u8>>::from_value(Value::Nil)?, None);
        for zero in [Value::Integer(0), Value::bulk("0")] {
            let error = NonZero::<u32>::from_value(zero).err();
            assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Type));
        }
        assert!(NonZero::<u8>::from_value(Value::Integer(256)).is_err());
        Ok(())
    }

    #[test]
    fn pairs_are_read_from_every_form() -> Result<()> {
        let flat = Value::Array(vec![Value::bulk("a"), Value::bulk("1.5")]);
        let nested = Value::Array(vec![flat.clone()]);
        let map = Value::Map(vec![(Value::bulk("a"), Value::bulk("1.5"))]);
        for value in [flat, nested, map] {
            let Pairs(pairs) = Pairs::<String, f64>::from_value(value)?;
            assert_eq!(pairs, [("a".to_owned(), 1.5)]);
        }
        assert!(Pairs::<String, String>::from_value(Value::Array(vec![Value::Nil])).is_err());
        Ok(())
    }

    #[test]
    fn every_type_reads_the_same_from_both_protocols() -> Result<()> {
        fn same<T: FromValue + PartialEq + std::fmt::Debug>(value: Value, expected: &T) {
            let resp2 = T::from_value(value.clone().into_resp2());
            assert_eq!(resp2.as_ref().ok(), Some(expected), "RESP2: {resp2:?}");
            let resp3 = T::from_value(value);
            assert_eq!(resp3.as_ref().ok(), Some(expected), "RESP3: {resp3:?}");
        }
        let texts = |items: &[&'static str]| items.iter().map(|item| Value::bulk(*item)).collect();
        same(Value::Double(0.1), &0.1_f64);
        same(Value::Double(0.1), &0.1_f32);
        same(Value::Double(f64::NEG_INFINITY), &f64::NEG_INFINITY);
        same(Value::Double(3.0), &3_u8);
        same(Value::Double(-0.5), &"-0.5".to_owned());
        same(Value::Boolean(true), &true);
        same(Value::Boolean(true), &1_i64);
        same(Value::BigNumber("18446744073709551616".into()), &(1_u128 << 64));
        same(Value::Verbatim { format: *b"txt", text: "a".into() }, &"a".to_owned());
        same(Value::Verbatim { format: *b"txt", text: "a".into() }, &'a');
        same(Value::Set(texts(&["a", "b"])), &["a".to_owned(), "b".to_owned()]);
        same(Value::Set(texts(&["b", "a"])), &BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        same(Value::Push(texts(&["invalidate"])), &VecDeque::from(["invalidate".to_owned()]));
        let map = || Value::Map(vec![(Value::bulk("a"), Value::Double(1.5))]);
        same(map(), &vec![("a".to_owned(), 1.5)]);
        same(map(), &BTreeMap::from([("a".to_owned(), 1.5)]));
        same(map(), &HashMap::<_, _>::from([("a".to_owned(), 1.5)]));
        same(map(), &vec!["a".to_owned(), "1.5".to_owned()]);
        same(
            Value::Array(vec![map(), Value::Nil]),
            &(Some(Pairs(vec![('a', 1.5_f32)])), None::<u8>),
        );
        Ok(())
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_read_from_its_text() -> Result<()> {
        let id = uuid::Uuid::from_u128(7);
        assert_eq!(uuid::Uuid::from_value(Value::bulk(id.to_string()))?, id);
        assert!(uuid::Uuid::from_value(Value::bulk("seven")).is_err());
        Ok(())
    }

    #[test]
    fn nothing_is_rounded_or_guessed() {
        fn refused<T: FromValue>(values: impl IntoIterator<Item = Value>) {
            for value in values {
                let text = format!("{value:?}");
                assert!(T::from_value(value).is_err(), "{text} as {}", std::any::type_name::<T>());
            }
        }
        refused::<i64>([Value::Double(0.5), Value::Double(1e300), Value::Double(f64::NAN)]);
        refused::<i128>([Value::Double(1e18)]);
        refused::<u8>([Value::Integer(256), Value::bulk("-1"), Value::bulk("1.0")]);
        refused::<f64>([
            Value::Integer(i64::MAX),
            Value::bulk("9007199254740993"),
            Value::bulk("1e999"),
        ]);
        refused::<f32>([Value::Integer(16_777_217), Value::bulk("1e39"), Value::Double(1e39)]);
        refused::<bool>([Value::bulk("true"), Value::OK, Value::Integer(2), Value::Double(1.0)]);
        refused::<char>([
            Value::bulk(""),
            Value::bulk("ab"),
            Value::bulk(&b"\xff"[..]),
            Value::Nil,
        ]);
        refused::<[u8; 2]>([Value::bulk("abc")]);
        refused::<Vec<u8>>([Value::Array(vec![Value::Integer(1)])]);
        refused::<(u8,)>([Value::Array(vec![])]);
    }

    #[test]
    fn bytes_are_one_string_and_a_byte_is_a_number() -> Result<()> {
        assert_eq!(Vec::<u8>::from_value(Value::bulk("7"))?, b"7");
        assert_eq!(<[u8; 1]>::from_value(Value::bulk("7"))?, *b"7");
        assert_eq!(u8::from_value(Value::bulk("7"))?, 7);
        assert_eq!(Arc::<[u8]>::from_value(Value::bulk(&b"\xff"[..]))?[..], *b"\xff");
        assert_eq!(&*Rc::<str>::from_value(Value::bulk("text"))?, "text");
        assert_eq!(f64::from_value(Value::bulk("inf"))?, f64::INFINITY);
        assert!(f64::from_value(Value::Double(f64::NAN))?.is_nan());
        Ok(())
    }

    #[test]
    fn a_conversion_error_does_not_show_the_value() {
        let error = i64::from_value(Value::bulk("secret")).map_err(|e| format!("{e} {e:?}"));
        assert!(!error.unwrap_err().contains("secret"));
        let error = Json::<u8>::from_value(Value::bulk("\"secret\""));
        assert!(!error.unwrap_err().to_string().contains("secret"));
    }
}
