use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::raw;
use crate::{Error, ErrorKind, Key, Result};

/// How values become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// JSON, which programs in other languages read.
    #[default]
    Json,
    /// Bytes and strings as they are: `String`, `Vec<u8>`, `Bytes`, and types that serialize as one of them. A value of any
    /// other shape is an error.
    Raw,
    /// MessagePack, with the names of fields. Needs the feature `msgpack`.
    #[cfg(feature = "msgpack")]
    MsgPack,
}

impl Codec {
    pub(crate) fn encode<T: Serialize + ?Sized>(self, key: &Key, value: &T) -> Result<Vec<u8>> {
        // No cause is kept: the message of a custom Serialize may quote the value.
        let no_form = |form: &str| {
            Error::new(
                ErrorKind::Codec,
                format!("the value for '{key}' cannot be written as {form}"),
            )
        };
        match self {
            Self::Json => serde_json::to_vec(value).map_err(|_| no_form("JSON")),
            Self::Raw => raw::to_vec(value).map_err(|_| no_form("raw")),
            #[cfg(feature = "msgpack")]
            Self::MsgPack => rmp_serde::to_vec_named(value).map_err(|_| no_form("MessagePack")),
        }
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, key: &Key, bytes: &[u8]) -> Result<T> {
        let not = |what: &str| {
            Error::new(
                ErrorKind::Codec,
                format!("the value cached under '{key}' is not the {what} that was asked for"),
            )
        };
        match self {
            Self::Json => serde_json::from_slice(bytes).map_err(|error| {
                not(&format!("JSON (line {}, column {})", error.line(), error.column()))
            }),
            Self::Raw => raw::from_slice(bytes).map_err(|_| not("text or bytes")),
            #[cfg(feature = "msgpack")]
            Self::MsgPack => rmp_serde::from_slice(bytes).map_err(|_| not("MessagePack")),
        }
    }

    /// Whether these bytes are an `Option::None`, in the codecs that can tell.
    pub(crate) fn is_none(self, bytes: &Bytes) -> bool {
        match self {
            Self::Json => &bytes[..] == b"null",
            Self::Raw => false,
            #[cfg(feature = "msgpack")]
            Self::MsgPack => bytes[..] == [0xc0],
        }
    }
}
