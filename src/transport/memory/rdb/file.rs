//! A whole data set in one file: a head, libraries of functions, records of keys, and a checksum. Redis 7.4 and later load it.

use std::io::Read;

use bytes::Bytes;

use super::encode::{kind_of, put_value};
use super::lengths::put_string;
use super::reader::{Failure, Reader, malformed};
use super::{CHECKSUM, NEWEST_VERSION, decode, opcode};
use crate::transport::memory::data::Data;

const MAGIC: &[u8] = b"REDIS";
/// The magic bytes and four digits of a version.
pub(in crate::transport::memory) const HEAD: usize = 9;
/// The bytes of the checksum.
pub(in crate::transport::memory) const FOOT: usize = 8;

const END: u8 = 0xff;
const DATABASE: u8 = 0xfe;
const EXPIRES_SECONDS: u8 = 0xfd;
const EXPIRES_MILLIS: u8 = 0xfc;
const SIZES: u8 = 0xfb;
const NOTE: u8 = 0xfa;
const FREQUENCY: u8 = 0xf9;
const IDLE: u8 = 0xf8;
const SLOT: u8 = 0xf4;

/// The kind of file that the first bytes show.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::transport::memory) enum Head {
    Ours,
    /// A newer version of the format.
    Newer(u16),
    Foreign,
}

/// Reads the first [`HEAD`] bytes of a file.
pub(in crate::transport::memory) fn head(bytes: &[u8; HEAD]) -> Head {
    let digits = bytes.strip_prefix(MAGIC).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let version: Option<u16> =
        digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match version {
        Some(0) | None => Head::Foreign,
        Some(version) if version > NEWEST_VERSION => Head::Newer(version),
        Some(_) => Head::Ours,
    }
}

/// Computes the checksum of a file from its pieces.
pub(in crate::transport::memory) struct Checksum(crc::Digest<'static, u64, super::Lanes>);

impl Checksum {
    pub(in crate::transport::memory) fn new() -> Self {
        Self(CHECKSUM.digest())
    }

    pub(in crate::transport::memory) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The last bytes of the file.
    pub(in crate::transport::memory) fn foot(self) -> [u8; FOOT] {
        self.0.finalize().to_le_bytes()
    }
}

/// Begins a file.
pub(in crate::transport::memory) fn put_head(out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend(format!("{NEWEST_VERSION:04}").into_bytes());
    out.push(NOTE);
    put_string(out, b"edgecask-ver");
    put_string(out, env!("CARGO_PKG_VERSION").as_bytes());
}

/// Writes the source of a library of functions.
pub(in crate::transport::memory) fn put_function(out: &mut Vec<u8>, source: &[u8]) {
    out.push(opcode::FUNCTION);
    put_string(out, source);
}

/// Writes a key with its value.
pub(in crate::transport::memory) fn put_record(
    out: &mut Vec<u8>,
    key: &[u8],
    data: &Data,
    expires_at: Option<u64>,
) {
    if let Some(at) = expires_at {
        out.push(EXPIRES_MILLIS);
        out.extend(at.to_le_bytes());
    }
    out.push(kind_of(data));
    put_string(out, key);
    put_value(out, data);
}

/// Ends the part before the checksum.
pub(in crate::transport::memory) fn put_end(out: &mut Vec<u8>) {
    out.push(END);
}

/// Reads the bytes between the head and the checksum. Keys are handed over one by one; the sources of libraries are
/// returned. A failure comes with how many bytes were left.
pub(in crate::transport::memory) fn load(
    from: &mut dyn Read,
    length: u64,
    mut add: impl FnMut(Bytes, Data, Option<u64>),
) -> Result<Vec<Bytes>, (Failure, u64)> {
    let mut reader = Reader::new(from, length);
    let mut sources = Vec::new();
    match read(&mut reader, &mut sources, &mut add) {
        Ok(()) => Ok(sources),
        Err(failure) => Err((failure, reader.left())),
    }
}

fn read(
    reader: &mut Reader<'_>,
    sources: &mut Vec<Bytes>,
    add: &mut dyn FnMut(Bytes, Data, Option<u64>),
) -> Result<(), Failure> {
    let mut expires_at = None;
    loop {
        match reader.byte()? {
            END if reader.left() == 0 => return Ok(()),
            END => return malformed("there is something after its end"),
            DATABASE => {
                if reader.length()? != 0 {
                    return malformed("it holds keys of another database than number 0");
                }
            }
            EXPIRES_MILLIS => expires_at = reader.millis()?,
            EXPIRES_SECONDS => {
                expires_at = Some(u64::from(u32::from_le_bytes(reader.array()?)) * 1000);
            }
            SIZES => {
                reader.length()?;
                reader.length()?;
            }
            SLOT => {
                for _ in 0..3 {
                    reader.length()?;
                }
            }
            NOTE => {
                reader.string()?;
                reader.string()?;
            }
            FREQUENCY => {
                reader.byte()?;
            }
            IDLE => {
                reader.length()?;
            }
            opcode::FUNCTION => sources.push(reader.string()?),
            // A type of value, or what this version does not know.
            kind => {
                let key = reader.string()?;
                let data = decode::value(reader, kind)?;
                add(key, data, expires_at.take());
            }
        }
    }
}
