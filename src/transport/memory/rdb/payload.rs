//! The payload of DUMP and RESTORE: a value, the version of the format, and a checksum of both.

use bytes::Bytes;

use super::encode::{kind_of, put_value, version_of};
use super::lengths::put_string;
use super::reader::Reader;
use super::{CHECKSUM, NEWEST_VERSION, decode, opcode};
use crate::transport::memory::data::Data;
use crate::{Error, Result};

/// The bytes of the version and of the checksum.
const FOOT: usize = 2 + 8;

/// A value in the form of DUMP.
pub(in crate::transport::memory) fn dump(data: &Data) -> Vec<u8> {
    let kind = kind_of(data);
    let mut out = vec![kind];
    put_value(&mut out, data);
    close(out, version_of(kind))
}

/// The sources of libraries in the form of FUNCTION DUMP.
pub(in crate::transport::memory) fn functions<'a>(
    sources: impl Iterator<Item = &'a Bytes>,
) -> Vec<u8> {
    let mut out = Vec::new();
    for source in sources {
        out.push(opcode::FUNCTION);
        put_string(&mut out, source);
    }
    close(out, 10)
}

fn close(mut out: Vec<u8>, version: u16) -> Vec<u8> {
    out.extend(version.to_le_bytes());
    let checksum = CHECKSUM.checksum(&out);
    out.extend(checksum.to_le_bytes());
    out
}

/// The content of a payload, if its version is known and its checksum is right.
fn open(payload: &[u8]) -> Result<&[u8]> {
    let checked = payload.split_last_chunk::<8>().and_then(|(signed, checksum)| {
        let (content, version) = signed.split_last_chunk::<2>()?;
        let is_known = u16::from_le_bytes(*version) <= NEWEST_VERSION;
        let is_right = CHECKSUM.checksum(signed) == u64::from_le_bytes(*checksum);
        (is_known && is_right).then_some(content)
    });
    debug_assert!(checked.is_none_or(|content| content.len() + FOOT == payload.len()));
    checked.ok_or_else(|| Error::server("ERR DUMP payload version or checksum are wrong"))
}

/// The value in a payload of DUMP.
pub(in crate::transport::memory) fn restore(payload: &[u8]) -> Result<Data> {
    let mut content = open(payload)?;
    let length = content.len() as u64;
    let mut reader = Reader::new(&mut content, length);
    let read = reader.byte().and_then(|kind| decode::value(&mut reader, kind));
    match read {
        Ok(data) if reader.left() == 0 => Ok(data),
        _ => Err(Error::server("ERR Bad data format")),
    }
}

/// The sources of the libraries in a payload of FUNCTION DUMP.
pub(in crate::transport::memory) fn restore_functions(payload: &[u8]) -> Result<Vec<Bytes>> {
    let mut content = open(payload)?;
    let length = content.len() as u64;
    let mut reader = Reader::new(&mut content, length);
    let mut sources = Vec::new();
    let failed = |text| Error::server(text);
    while reader.left() > 0 {
        match reader.byte() {
            Ok(opcode::FUNCTION) => {}
            Ok(opcode::FUNCTION_BEFORE_7) => {
                return Err(failed("ERR Pre-GA function format not supported"));
            }
            _ => return Err(failed("ERR given type is not a function")),
        }
        let source = reader.string();
        sources.push(source.map_err(|_| failed("ERR Failed loading library code"))?);
    }
    Ok(sources)
}
