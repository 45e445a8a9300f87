//! Reads JSON replies, with limits on their number and depth.

use std::cell::Cell;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use crate::{Error, Result, Value};

/// Base64 whose padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The greatest integer up to which an `f64` holds all.
const EXACT: u64 = 1 << 53;

/// The encoding of strings in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport::rest) enum Strings {
    Base64,
    Plain,
}

/// The number of values that an answer may still contain.
pub(super) struct ValueBudget {
    pub(super) values: Cell<usize>,
    pub(super) exceeded: Cell<bool>,
    /// Set when a number is found that an `f64` may not hold exactly. The answer is then read a second time, and each
    /// number is taken from its text. That reading scans the answer once for each level of nesting.
    pub(super) numbers_as_text: Cell<bool>,
    /// Set when a string should be base64 and is not.
    pub(super) not_base64: Cell<bool>,
}

impl ValueBudget {
    pub(super) fn new(values: usize) -> Self {
        Self {
            values: Cell::new(values),
            exceeded: Cell::new(false),
            numbers_as_text: Cell::new(false),
            not_base64: Cell::new(false),
        }
    }
}

/// The settings for reading JSON at some depth.
#[derive(Clone, Copy)]
pub(super) struct Json<'a> {
    pub(super) strings: Strings,
    /// How many levels of arrays may still follow.
    pub(super) depth: usize,
    pub(super) budget: &'a ValueBudget,
}

impl Json<'_> {
    fn exceeded<E: serde::de::Error>(self) -> E {
        self.budget.exceeded.set(true);
        E::custom("too much")
    }

    /// Counts a value, and fails if there are too many.
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        let left = self.budget.values.get().checked_sub(1).ok_or_else(|| self.exceeded())?;
        self.budget.values.set(left);
        Ok(())
    }

    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| self.exceeded())?;
        Ok(Self { depth, ..self })
    }
}

/// `{"result": …}` or `{"error": …}`.
#[derive(Default)]
pub(super) struct Envelope {
    result: Option<Value>,
    error: Option<Error>,
}

impl From<Result<Value>> for Envelope {
    fn from(reply: Result<Value>) -> Self {
        match reply {
            Ok(value) => Self { result: Some(value), error: None },
            Err(error) => Self { result: None, error: Some(error) },
        }
    }
}

impl Envelope {
    /// `None` if it holds neither. An error takes precedence over a result.
    pub(super) fn into_result(self) -> Option<Result<Value>> {
        match (self.error, self.result) {
            (Some(error), _) => Some(Err(error)),
            (None, result) => result.map(Ok),
        }
    }
}

pub(super) enum Body {
    One(Envelope),
    Many(Vec<Envelope>),
}

#[derive(Clone, Copy)]
pub(super) struct BodySeed<'a>(pub(super) Json<'a>);

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Body, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_> {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of replies, or an error")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Body, A::Error> {
        EnvelopeSeed(self.0).visit_map(map).map(Body::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Body, A::Error> {
        let mut envelopes = Vec::new();
        while let Some(envelope) = items.next_element_seed(EnvelopeSeed(self.0))? {
            // An envelope may be empty, and takes as much memory as a value.
            self.0.count()?;
            envelopes.push(envelope);
        }
        Ok(Body::Many(envelopes))
    }
}

#[derive(Clone, Copy)]
pub(super) struct EnvelopeSeed<'a>(pub(super) Json<'a>);

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = Envelope;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Envelope, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a result or an error")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(field) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            match &*field {
                "result" => envelope.result = Some(map.next_value_seed(ValueSeed(self.0))?),
                "error" => {
                    let text: Option<std::borrow::Cow<'de, str>> = map.next_value()?;
                    envelope.error = text.map(|text| Error::server(&text)).or(envelope.error);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}

/// A reply at any depth.
#[derive(Clone, Copy)]
struct ValueSeed<'a>(Json<'a>);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        self.0.count()?;
        if !self.0.budget.numbers_as_text.get() {
            return json.deserialize_any(self);
        }
        let text = <&RawValue>::deserialize(json)?.get();
        match text.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => {
                let number = text.parse().map(Value::Integer);
                Ok(number.unwrap_or_else(|_| Value::bulk(text.to_owned())))
            }
            _ => {
                let value = serde_json::Deserializer::from_str(text).deserialize_any(self);
                value.map_err(D::Error::custom)
            }
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(yes.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or_else(|_| Value::bulk(number.to_string()), Value::Integer))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Value, E> {
        self.0.budget.numbers_as_text.set(true);
        Err(E::custom("a number that may have lost digits"))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        match self.0.strings {
            Strings::Plain => Ok(Value::bulk(Bytes::copy_from_slice(text.as_bytes()))),
            // "OK" is the only string that is not encoded. It cannot be base64, whose length is a multiple of four.
            Strings::Base64 if text == "OK" => Ok(Value::OK),
            Strings::Base64 => match BASE64.decode(text) {
                // Some servers write an integer that an `f64` does not hold as a string of its digits, which may also be base64 of
                // bytes that are no text.
                Ok(bytes) if is_large_integer(text) && std::str::from_utf8(&bytes).is_err() => {
                    Ok(Value::bulk(text.to_owned()))
                }
                Ok(bytes) => Ok(Value::bulk(bytes)),
                Err(_) if is_large_integer(text) => Ok(Value::bulk(text.to_owned())),
                Err(_) => {
                    self.0.budget.not_base64.set(true);
                    Err(E::custom("a string is not base64"))
                }
            },
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = Self(self.0.inside()?);
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = Self(self.0.inside()?);
        let mut pairs = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            self.0.count()?;
            pairs.push((Value::bulk(name), map.next_value_seed(inner)?));
        }
        Ok(Value::Map(pairs))
    }
}

/// Whether these are the digits of an integer that an `f64` does not hold.
fn is_large_integer(text: &str) -> bool {
    (16..=20).contains(&text.len())
        && text.parse::<i64>().is_ok_and(|number| number.unsigned_abs() > EXACT)
}
