//! JSON documents, as the module RedisJSON writes them: their text.

use super::lengths::{put_length, put_string};
use super::reader::{Failure, Reader, malformed};
use crate::transport::memory::json::{Document, Json, Writer};

/// The name `ReJSON-RL` in 54 bits, and version 3 of the module's format.
const MODULE: u64 = 0x45e2_5238_df91_2c03;

/// The first bytes of the parts of a module's value: a string, and the end.
const STRING: u64 = 5;
const END: u64 = 0;

pub(super) fn put(out: &mut Vec<u8>, document: &Document) {
    put_length(out, MODULE);
    put_length(out, STRING);
    put_string(out, &Writer::unbounded(document.root()));
    put_length(out, END);
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Document, Failure> {
    if reader.length()? != MODULE {
        return malformed("a value has a type or an encoding that is not supported");
    }
    if reader.length()? != STRING {
        return malformed("a JSON document has no text");
    }
    let text = reader.string()?;
    let root = std::str::from_utf8(&text).ok().and_then(|text| Json::read(text).ok());
    match (root, reader.length()?) {
        (Some(root), END) => Ok(Document::new(root)),
        _ => malformed("a JSON document is damaged"),
    }
}
