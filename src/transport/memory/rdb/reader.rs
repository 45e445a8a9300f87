//! Reads lengths, strings and numbers from bytes that may be anything. No more memory is taken than the bytes that are there
//! can fill.

use std::io::{self, Read};

use bytes::Bytes;

use super::MAX_STRING;
use super::lengths::{COMPRESSED, EIGHT_BYTES, ENCODED, FOUR_BYTES, INT_8, INT_16, INT_32, WIDE};

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport::memory) struct Malformed(pub(in crate::transport::memory) &'static str);

/// Why nothing could be read.
#[derive(Debug)]
#[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "only snapshots tell why"))]
pub(in crate::transport::memory) enum Failure {
    Io(io::Error),
    Malformed(Malformed),
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

pub(super) fn malformed<T>(what: &'static str) -> Result<T, Failure> {
    Err(Malformed(what).into())
}

/// Bytes that are read from their beginning to their end.
pub(super) struct Reader<'a> {
    from: &'a mut dyn Read,
    left: u64,
}

/// A length, or an encoding of a string.
enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<'a> Reader<'a> {
    /// Reads `left` bytes from this.
    pub(super) fn new(from: &'a mut dyn Read, left: u64) -> Self {
        Self { from, left }
    }

    /// How many bytes have not been read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        match self.left.checked_sub(buffer.len() as u64) {
            Some(left) => self.left = left,
            None => return malformed("it ends too early"),
        }
        self.from.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Malformed("it ends too early").into(),
            _ => Failure::Io(error),
        })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Failure> {
        self.array().map(|[byte]| byte)
    }

    /// A time in milliseconds; -1 stands for none.
    pub(super) fn millis(&mut self) -> Result<Option<u64>, Failure> {
        let millis = i64::from_le_bytes(self.array()?);
        match millis {
            -1 => Ok(None),
            _ => match u64::try_from(millis) {
                Ok(millis) => Ok(Some(millis)),
                Err(_) => malformed("a time is negative"),
            },
        }
    }

    fn any_length(&mut self) -> Result<Length, Failure> {
        let first = self.byte()?;
        Ok(match first {
            0..WIDE => Length::Plain(first.into()),
            WIDE..FOUR_BYTES => {
                let second = self.byte()?;
                Length::Plain(u64::from(u16::from_be_bytes([first & !WIDE, second])))
            }
            FOUR_BYTES => Length::Plain(u32::from_be_bytes(self.array()?).into()),
            EIGHT_BYTES => Length::Plain(u64::from_be_bytes(self.array()?)),
            ENCODED.. => Length::Encoded(first & !ENCODED),
            _ => return malformed("a length has an unknown form"),
        })
    }

    /// A number in the form of a length.
    pub(super) fn length(&mut self) -> Result<u64, Failure> {
        match self.any_length()? {
            Length::Plain(length) => Ok(length),
            Length::Encoded(_) => malformed("an encoding stands where a length should be"),
        }
    }

    /// How many elements follow, each of which takes a byte or more.
    pub(super) fn count(&mut self) -> Result<usize, Failure> {
        let count = self.length()?;
        match usize::try_from(count) {
            Ok(small) if count <= self.left => Ok(small),
            _ => malformed("it counts more elements than it can hold"),
        }
    }

    /// Reads this many bytes.
    fn raw(&mut self, length: u64) -> Result<Vec<u8>, Failure> {
        if length > self.left || length > MAX_STRING {
            return malformed("a string is longer than it can be");
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn string(&mut self) -> Result<Bytes, Failure> {
        let encoding = match self.any_length()? {
            Length::Plain(length) => return self.raw(length).map(Bytes::from),
            Length::Encoded(encoding) => encoding,
        };
        let number = match encoding {
            INT_8 => i8::from_le_bytes(self.array()?).into(),
            INT_16 => i16::from_le_bytes(self.array()?).into(),
            INT_32 => i32::from_le_bytes(self.array()?),
            COMPRESSED => return self.compressed(),
            _ => return malformed("a string has an unknown encoding"),
        };
        Ok(number.to_string().into())
    }

    fn compressed(&mut self) -> Result<Bytes, Failure> {
        /// The most bytes that three compressed bytes stand for.
        const MOST: u64 = 264;
        let (length, whole) = (self.length()?, self.length()?);
        let packed = self.raw(length)?;
        if whole > MAX_STRING || whole > length.saturating_mul(MOST) {
            return malformed("a string is longer than it can be");
        }
        match lzf::decompress(&packed, whole as usize) {
            Ok(text) if text.len() as u64 == whole => Ok(text.into()),
            _ => malformed("a compressed string is damaged"),
        }
    }
}
