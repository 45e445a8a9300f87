//! Lists, sets, maps and tuples.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use super::{FromValue, each, mismatch};
use crate::value::Value;
use crate::{Error, ErrorKind, Result};

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self> {
        T::many_from_value(value)
    }
}

impl<T: FromValue> FromValue for VecDeque<T> {
    fn from_value(value: Value) -> Result<Self> {
        each(value)
    }
}

/// The reply must have exactly `N` items.
impl<T: FromValue, const N: usize> FromValue for [T; N] {
    fn from_value(value: Value) -> Result<Self> {
        let items = T::many_from_value(value)?;
        items.try_into().map_err(|items: Vec<T>| {
            let got = items.len();
            Error::new(ErrorKind::Type, format!("asked for {N} items, the reply has {got}"))
        })
    }
}

impl<T: FromValue + Eq + Hash, S: BuildHasher + Default> FromValue for HashSet<T, S> {
    fn from_value(value: Value) -> Result<Self> {
        each(value)
    }
}

impl<T: FromValue + Ord> FromValue for BTreeSet<T> {
    fn from_value(value: Value) -> Result<Self> {
        each(value)
    }
}

/// Field-value or member-score pairs in the order of the reply, which may be a flat array, an array of pairs or a map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs<K, V>(pub Vec<(K, V)>);

impl<K: FromValue, V: FromValue> FromValue for Pairs<K, V> {
    fn from_value(value: Value) -> Result<Self> {
        pairs(value).map(Self)
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

fn pairs<K: FromValue, V: FromValue>(value: Value) -> Result<Vec<(K, V)>> {
    let convert = |(key, value)| Ok((K::from_value(key)?, V::from_value(value)?));
    match value {
        Value::Map(pairs) => pairs.into_iter().map(convert).collect(),
        Value::Array(items) if matches!(items.first(), Some(Value::Array(_))) => {
            items.into_iter().map(FromValue::from_value).collect()
        }
        Value::Array(items) if items.len() % 2 == 0 => {
            let mut items = items.into_iter();
            let mut pairs = Vec::with_capacity(items.len() / 2);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                pairs.push(convert((key, value))?);
            }
            Ok(pairs)
        }
        other => mismatch("pairs", &other),
    }
}

macro_rules! tuple_from_value {
    ($count:literal: $($item:ident)+) => {
        fn from_value(value: Value) -> Result<Self> {
            match value {
                Value::Array(items) if items.len() == $count => {
                    let mut items = items.into_iter();
                    Ok(($($item::from_value(items.next().unwrap_or_default())?,)+))
                }
                other => mismatch(concat!("an array of ", $count), &other),
            }
        }
    };
}

/// Many pairs come as a flat array, as an array of pairs or as a map.
impl<A: FromValue, B: FromValue> FromValue for (A, B) {
    tuple_from_value!(2: A B);

    fn many_from_value(value: Value) -> Result<Vec<Self>> {
        pairs(value)
    }
}

macro_rules! from_tuple {
    ($($count:literal: $($item:ident)+;)+) => {$(
        impl<$($item: FromValue),+> FromValue for ($($item,)+) {
            tuple_from_value!($count: $($item)+);
        }
    )+};
}
from_tuple! {
    1: A;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
    9: A B C D E F G H I;
    10: A B C D E F G H I J;
    11: A B C D E F G H I J K;
    12: A B C D E F G H I J K L;
}
