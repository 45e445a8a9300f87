use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Value;
use crate::{Error, ErrorKind, Result};

/// A Rust type that a reply can become.
///
/// The rules are strict: nil becomes `None` and nothing else, a number is parsed only where a number type asks for
/// it, and no text is ever read as JSON unless [`Json`] asks for it.
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
    /// [`ErrorKind::Type`] if the reply is of another shape.
    fn from_value(value: Value) -> Result<Self>;
}

fn mismatch<T>(wanted: &'static str, got: &Value) -> Result<T> {
    Err(Error::new(ErrorKind::Type, format!("asked for {wanted}, the reply is {}", got.describe())))
}

impl FromValue for Value {
    fn from_value(value: Value) -> Result<Self> {
        Ok(value)
    }
}

/// Any reply but nil: "it worked, and nothing more is to be said".
impl FromValue for () {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Nil => mismatch("a confirmation", &value),
            _ => Ok(()),
        }
    }
}

/// The integers 0 and 1, as EXISTS-like commands answer.
impl FromValue for bool {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Integer(0) => Ok(false),
            Value::Integer(1) => Ok(true),
            other => mismatch("0 or 1", &other),
        }
    }
}

impl FromValue for Bytes {
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Simple(bytes) | Value::Bulk(bytes) => Ok(bytes),
            Value::Integer(number) => Ok(number.to_string().into()),
            other => mismatch("bytes", &other),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value) -> Result<Self> {
        Bytes::from_value(value).map(Into::into)
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Result<Self> {
        Self::from_utf8(Vec::from_value(value)?).map_err(|_| {
            Error::new(
                ErrorKind::Type,
                "asked for text, the reply is not UTF-8: ask for Bytes instead",
            )
        })
    }
}

/// Numbers come as integer replies or as decimal text; what does not fit is an error, never rounded.
macro_rules! from_number {
    ($wanted:literal: $($number:ty),+) => {$(
        impl FromValue for $number {
            fn from_value(value: Value) -> Result<Self> {
                let parsed = match &value {
                    Value::Integer(number) => number.to_string().parse().ok(),
                    Value::Simple(text) | Value::Bulk(text) => {
                        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
                    }
                    _ => None,
                };
                match parsed {
                    Some(number) => Ok(number),
                    None => mismatch(concat!($wanted, " that fits ", stringify!($number)), &value),
                }
            }
        }
    )+};
}
from_number!("an integer": i16, i32, u16, u32, u64, usize, i128, u128);
from_number!("a number": f64);

impl FromValue for i64 {
    fn from_value(value: Value) -> Result<Self> {
        match &value {
            Value::Integer(number) => Ok(*number),
            Value::Simple(text) | Value::Bulk(text) => {
                match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
                    Some(number) => Ok(number),
                    None => mismatch("an integer that fits i64", &value),
                }
            }
            _ => mismatch("an integer that fits i64", &value),
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

fn items<T: FromValue, C: FromIterator<T>>(value: Value) -> Result<C> {
    match value {
        Value::Array(items) => items.into_iter().map(T::from_value).collect(),
        other => mismatch("an array", &other),
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self> {
        items(value)
    }
}

impl<T: FromValue + Eq + Hash, S: BuildHasher + Default> FromValue for HashSet<T, S> {
    fn from_value(value: Value) -> Result<Self> {
        items(value)
    }
}

impl<T: FromValue + Ord> FromValue for BTreeSet<T> {
    fn from_value(value: Value) -> Result<Self> {
        items(value)
    }
}

/// Field-value or member-score pairs in the order of the reply, whether it came as a flat array, as an array of
/// pairs or as a map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs<K, V>(pub Vec<(K, V)>);

impl<K: FromValue, V: FromValue> FromValue for Pairs<K, V> {
    fn from_value(value: Value) -> Result<Self> {
        fn convert<K: FromValue, V: FromValue>((key, value): (Value, Value)) -> Result<(K, V)> {
            Ok((K::from_value(key)?, V::from_value(value)?))
        }
        let pairs = match value {
            Value::Map(pairs) => pairs.into_iter().map(convert).collect::<Result<_>>()?,
            Value::Array(items) if matches!(items.first(), Some(Value::Array(_))) => {
                items.into_iter().map(<(K, V)>::from_value).collect::<Result<_>>()?
            }
            Value::Array(items) if items.len() % 2 == 0 => {
                let mut items = items.into_iter();
                let mut pairs = Vec::with_capacity(items.len() / 2);
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push(convert((key, value))?);
                }
                pairs
            }
            other => return mismatch("pairs", &other),
        };
        Ok(Self(pairs))
    }
}

impl<K: FromValue + Eq + Hash, V: FromValue, S: BuildHasher + Default> FromValue
    for HashMap<K, V, S>
{
    fn from_value(value: Value) -> Result<Self> {
        Ok(Pairs::from_value(value)?.0.into_iter().collect())
    }
}

impl<K: FromValue + Ord, V: FromValue> FromValue for BTreeMap<K, V> {
    fn from_value(value: Value) -> Result<Self> {
        Ok(Pairs::from_value(value)?.0.into_iter().collect())
    }
}

macro_rules! from_tuple {
    ($count:literal: $($item:ident)+) => {
        impl<$($item: FromValue),+> FromValue for ($($item,)+) {
            fn from_value(value: Value) -> Result<Self> {
                match value {
                    Value::Array(items) if items.len() == $count => {
                        let mut items = items.into_iter();
                        Ok(($($item::from_value(items.next().unwrap_or_default())?,)+))
                    }
                    other => mismatch(concat!("an array of ", $count), &other),
                }
            }
        }
    };
}
from_tuple!(2: A B);
from_tuple!(3: A B C);
from_tuple!(4: A B C D);
from_tuple!(5: A B C D E);

/// A value stored as JSON text: asks for parsing where nothing else does.
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
            // serde_json's message may quote the text, so only the place is kept.
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
    fn a_conversion_error_does_not_show_the_value() {
        let error = i64::from_value(Value::bulk("secret")).map_err(|e| format!("{e} {e:?}"));
        assert!(!error.unwrap_err().contains("secret"));
        let error = Json::<u8>::from_value(Value::bulk("\"secret\""));
        assert!(!error.unwrap_err().to_string().contains("secret"));
    }
}
