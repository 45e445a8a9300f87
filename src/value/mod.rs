//! Replies, and their conversion to Rust types.

mod from_value;

use std::fmt;

use bytes::Bytes;

pub use from_value::{FromValue, Json, Pairs};

/// A reply of Redis. Strings are bytes. Nothing is parsed before the caller's type asks for it.
///
/// The variants after [`Value::Array`] exist only in RESP3. RESP2 and the REST API send the form of [`Value::into_resp2`]
/// instead. [`FromValue`] reads both forms as the same Rust value, so code that asks for Rust types does not depend on the
/// protocol.
///
/// `Debug` shows the shape and the lengths, not the content, so that a log line leaks no value.
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Value {
    /// Absent: a nil bulk string or array. Never confused with a stored `"null"`.
    #[default]
    Nil,
    /// An integer reply.
    Integer(i64),
    /// A status such as `OK`. A REST server without base64 sends it as a bulk string.
    Simple(Bytes),
    /// A binary-safe string. Numbers that do not fit [`Value::Integer`] come as their decimal text.
    Bulk(Bytes),
    /// An array, possibly nested.
    Array(Vec<Value>),
    /// A map, in the order of the server.
    Map(Vec<(Value, Value)>),
    /// A set, in the order of the server.
    Set(Vec<Value>),
    /// A floating-point number.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// The decimal text of an integer that does not fit [`Value::Integer`].
    BigNumber(Bytes),
    /// Text with its format: `txt` for plain text, `mkd` for Markdown.
    Verbatim {
        /// The format's three letters.
        format: [u8; 3],
        /// The text.
        text: Bytes,
    },
    /// A push message, which is not the reply of a command, such as an invalidation. The first item names its kind.
    Push(Vec<Value>),
    /// The text of an error among the items of an array, such as a script returns. RESP2 and RESP3 have it, JSON has a bulk
    /// string instead. The error of a whole command is an [`Err`].
    ///
    /// ```
    /// use edgecask::{ErrorKind, FromValue, Value};
    ///
    /// let reply = Value::Array(vec![Value::Integer(1), Value::Error("ERR no".into())]);
    /// let items = Vec::<Value>::from_value(reply.clone())?;
    /// assert_eq!(items[0], Value::Integer(1));
    /// let error = Vec::<i64>::from_value(reply).unwrap_err();
    /// assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("ERR")));
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    Error(Bytes),
}

impl Value {
    /// The status `OK`.
    pub const OK: Self = Self::Simple(Bytes::from_static(b"OK"));

    /// A bulk string.
    pub fn bulk(bytes: impl Into<Bytes>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// The bytes of a status, a bulk string, a big number or a verbatim text.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes)
            | Self::Bulk(bytes)
            | Self::BigNumber(bytes)
            | Self::Verbatim { text: bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// The same reply in the types of RESP2. A map becomes a flat array; a set and a push become an array; a boolean
    /// becomes 0 or 1; a double, a big number and a verbatim text become a bulk string.
    ///
    /// ```
    /// use edgecask::Value;
    ///
    /// let map = Value::Map(vec![(Value::bulk("score"), Value::Double(1.5))]);
    /// assert_eq!(map.into_resp2(), Value::Array(vec![Value::bulk("score"), Value::bulk("1.5")]));
    /// ```
    #[must_use]
    pub fn into_resp2(self) -> Self {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => {
                Self::Array(items.into_iter().map(Self::into_resp2).collect())
            }
            Self::Map(pairs) => {
                let items = pairs.into_iter().flat_map(|(key, value)| [key, value]);
                Self::Array(items.map(Self::into_resp2).collect())
            }
            Self::Double(number) => Self::bulk(double_text(number)),
            Self::Boolean(yes) => Self::Integer(yes.into()),
            Self::BigNumber(text) | Self::Verbatim { text, .. } => Self::Bulk(text),
            Self::Nil | Self::Integer(_) | Self::Simple(_) | Self::Bulk(_) | Self::Error(_) => self,
        }
    }

    /// Whether this is [`Value::Nil`].
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Integer(_) => "an integer",
            Self::Simple(_) => "a status",
            Self::Bulk(_) => "a string",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Set(_) => "a set",
            Self::Double(_) => "a double",
            Self::Boolean(_) => "a boolean",
            Self::BigNumber(_) => "a big number",
            Self::Verbatim { .. } => "a verbatim text",
            Self::Push(_) => "a push",
            Self::Error(_) => "an error",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Simple(status) => write!(f, "Simple({})", String::from_utf8_lossy(status)),
            Self::Bulk(bytes) => write!(f, "Bulk({} bytes)", bytes.len()),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => f.debug_set().entries(items).finish(),
            Self::Double(_) => f.write_str("Double"),
            Self::Boolean(_) => f.write_str("Boolean"),
            Self::BigNumber(_) => f.write_str("BigNumber"),
            Self::Verbatim { text, .. } => write!(f, "Verbatim({} bytes)", text.len()),
            Self::Error(text) => write!(f, "Error({} bytes)", text.len()),
            Self::Push(items) => {
                f.write_str("Push")?;
                f.debug_list().entries(items).finish()
            }
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
        }
    }
}

/// The shortest decimal text that parses to the same number, with Redis's names for infinity and NaN.
fn double_text(number: f64) -> String {
    if number.is_nan() { "nan".to_owned() } else { number.to_string() }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Integer(yes.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bulk(bytes)
    }
}
