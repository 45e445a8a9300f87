//! The envelope, as the [documentation](crate::cache::stored_form) describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Codec;
use crate::{Error, ErrorKind, Result};

/// The first bytes of every envelope. No JSON text begins like this.
const WORD: &[u8] = b"edgecask/";
const VERSION: &[u8] = b"1 ";

/// The envelope's fields, which describe its payload.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    pub(super) codec: Codec,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) encoding: Vec<Encoding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fresh_until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) load_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
}

/// A step from the codec's bytes to what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Encoding {
    #[serde(rename = "gzip")]
    Gzip,
    #[serde(rename = "lz4")]
    Lz4,
    #[serde(rename = "xchacha20-poly1305")]
    Sealed,
    #[serde(rename = "base64")]
    Base64,
}

/// Whether this is an envelope, of whatever version.
pub(super) fn is_envelope(stored: &[u8]) -> bool {
    stored.starts_with(WORD)
}

/// The line before the payload.
pub(super) fn line_of(header: &Header) -> Result<Vec<u8>> {
    let mut line = [WORD, VERSION].concat();
    serde_json::to_writer(&mut line, header).map_err(|_| {
        Error::new(ErrorKind::Codec, "the header of the entry cannot be written as JSON")
    })?;
    line.push(b'\n');
    Ok(line)
}

/// The header, and where the payload begins. `None` if this is no envelope.
pub(super) fn parse(stored: &[u8]) -> Result<Option<(Header, usize)>> {
    let Some(rest) = stored.strip_prefix(WORD) else {
        return Ok(None);
    };
    let unreadable = |text: &'static str| Error::new(ErrorKind::Codec, text);
    let Some(rest) = rest.strip_prefix(VERSION) else {
        return Err(unreadable("its envelope is of another version: update edgecask"));
    };
    let broken =
        || unreadable("its envelope is broken, or has a field that this version does not know");
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
    let header = serde_json::from_slice(&rest[..end]).map_err(|_| broken())?;
    Ok(Some((header, stored.len() - rest.len() + end + 1)))
}
