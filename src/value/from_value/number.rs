//! Integers and floating-point numbers.

use std::num::NonZero;

use bytes::Bytes;

use super::{FromValue, mismatch};
use crate::value::{Value, double_text};
use crate::{Error, ErrorKind, Result};

/// The decimal text of a reply.
fn number_text(value: &Value) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()?).ok()
}

/// The integer that a double equals.
fn whole(number: f64) -> Option<i128> {
    // A larger double may stand for several integers.
    const MAX: f64 = (1_u64 << 53) as f64;
    (number.fract() == 0.0 && number.abs() <= MAX).then_some(number as i128)
}

/// Reads an integer from an integer reply or decimal text. A number that does not fit is an error, and is never rounded.
macro_rules! integer_from_value {
    ($number:ty) => {
        fn from_value(value: Value) -> Result<Self> {
            let parsed = match &value {
                Value::Integer(number) => Self::try_from(*number).ok(),
                Value::Boolean(yes) => Some(Self::from(*yes)),
                Value::Double(number) => {
                    whole(*number).and_then(|number| Self::try_from(number).ok())
                }
                text => number_text(text).and_then(|text| text.parse().ok()),
            };
            match parsed {
                Some(number) => Ok(number),
                None => mismatch(concat!("an integer that fits ", stringify!($number)), &value),
            }
        }
    };
}
macro_rules! from_integer {
    ($($number:ty),+) => {$(
        impl FromValue for $number {
            integer_from_value!($number);
        }
    )+};
}
from_integer!(i8, i16, i32, i64, i128, isize, u16, u32, u64, u128, usize);

macro_rules! from_non_zero {
    ($($number:ty),+) => {$(
        impl FromValue for NonZero<$number> {
            fn from_value(value: Value) -> Result<Self> {
                Self::new(<$number>::from_value(value)?)
                    .ok_or_else(|| Error::new(ErrorKind::Type, "asked for a number other than 0, the reply is 0"))
            }
        }
    )+};
}
from_non_zero!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

/// A single `u8` is a number. A list of `u8` is the bytes of a string.
impl FromValue for u8 {
    integer_from_value!(u8);

    fn many_from_value(value: Value) -> Result<Vec<Self>> {
        Bytes::from_value(value).map(Into::into)
    }
}

/// Decimal text becomes the nearest number. An integer that the type cannot hold exactly is an error, and so is a finite
/// number beyond its range.
macro_rules! from_float {
    ($($number:ty),+) => {$(
        impl FromValue for $number {
            fn from_value(value: Value) -> Result<Self> {
                fn exact(number: i128) -> Option<$number> {
                    let nearest = number as $number;
                    (nearest as i128 == number).then_some(nearest)
                }
                fn parse(text: &str) -> Option<$number> {
                    if let Ok(number) = text.parse() {
                        return exact(number);
                    }
                    let number: $number = text.parse().ok()?;
                    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
                    (number.is_finite() || !digits).then_some(number)
                }
                let number = match &value {
                    Value::Integer(number) => exact((*number).into()),
                    Value::Boolean(yes) => Some((*yes).into()),
                    Value::Double(number) => parse(&double_text(*number)),
                    text => number_text(text).and_then(parse),
                };
                match number {
                    Some(number) => Ok(number),
                    None => mismatch(concat!("a number that fits ", stringify!($number)), &value),
                }
            }
        }
    )+};
}
from_float!(f32, f64);
