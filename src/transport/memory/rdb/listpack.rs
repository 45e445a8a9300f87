//! The listpack: small elements in one string, as Redis keeps small collections and the entries of streams.

use bytes::Bytes;

use super::reader::{Failure, malformed};
use crate::transport::memory::number;

/// The number of bytes, and the number of elements.
const HEAD: usize = 6;
const END: u8 = 0xff;

/// An element: a text or a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Integer(i64),
    Text(Bytes),
}

impl Element {
    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::Integer(number) => number.to_string().into(),
            Self::Text(text) => text,
        }
    }

    pub(super) fn integer(&self) -> Result<i64, Failure> {
        match self {
            Self::Integer(number) => Ok(*number),
            Self::Text(text) => {
                number::int(text).map_or_else(|| malformed("a text stands for a number"), Ok)
            }
        }
    }
}

/// Reads a listpack.
pub(super) struct Listpack {
    bytes: Bytes,
    at: usize,
    left: usize,
}

impl Listpack {
    pub(super) fn new(bytes: Bytes) -> Result<Self, Failure> {
        let size = bytes.first_chunk().map(|size| u32::from_le_bytes(*size));
        let is_whole = size.is_some_and(|size| size as usize == bytes.len());
        if !is_whole || bytes.len() <= HEAD || bytes.last() != Some(&END) {
            return malformed("a listpack has another length than it says");
        }
        let count = u16::from_le_bytes([bytes[4], bytes[5]]);
        let mut listpack = Self { bytes, at: HEAD, left: 0 };
        listpack.left = listpack.check()?;
        if count != u16::MAX && usize::from(count) != listpack.left {
            return malformed("a listpack has other elements than it counts");
        }
        listpack.at = HEAD;
        Ok(listpack)
    }

    /// Reads all elements, and counts them.
    fn check(&mut self) -> Result<usize, Failure> {
        let mut count = 0;
        while self.at + 1 < self.bytes.len() {
            self.read()?;
            count += 1;
        }
        match self.at + 1 == self.bytes.len() {
            true => Ok(count),
            false => malformed("a listpack ends within an element"),
        }
    }

    /// How many elements have not been read.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next element; that there is none is an error.
    pub(super) fn next(&mut self) -> Result<Element, Failure> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return malformed("a listpack has too few elements"),
        }
        self.read()
    }

    pub(super) fn integer(&mut self) -> Result<i64, Failure> {
        self.next()?.integer()
    }

    pub(super) fn bytes(&mut self) -> Result<Bytes, Failure> {
        self.next().map(Element::into_bytes)
    }

    fn take<const N: usize>(&self, at: usize) -> Result<[u8; N], Failure> {
        let found = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        found.map_or_else(|| malformed("a listpack ends within an element"), |bytes| Ok(*bytes))
    }

    fn read(&mut self) -> Result<Element, Failure> {
        let [first] = self.take(self.at)?;
        let body = self.at + 1;
        // The bytes before the text, and its length; or the number, and the bytes that it takes.
        let (text_at, length) = match first {
            0..0x80 => return self.after(Element::Integer(first.into()), 1),
            0x80..0xc0 => (1, usize::from(first & 0x3f)),
            0xc0..0xe0 => {
                let [low] = self.take(body)?;
                let number = u16::from_be_bytes([first & 0x1f, low]);
                // Of 13 bits, the highest of which is the sign.
                let number = ((number << 3) as i16) >> 3;
                return self.after(Element::Integer(number.into()), 2);
            }
            0xe0..0xf0 => {
                let [low] = self.take(body)?;
                (2, usize::from(u16::from_be_bytes([first & 0x0f, low])))
            }
            0xf0 => (5, u32::from_le_bytes(self.take(body)?) as usize),
            0xf1 => {
                let number = i16::from_le_bytes(self.take(body)?);
                return self.after(Element::Integer(number.into()), 3);
            }
            0xf2 => {
                let [low, middle, high] = self.take(body)?;
                let number = i32::from_le_bytes([0, low, middle, high]) >> 8;
                return self.after(Element::Integer(number.into()), 4);
            }
            0xf3 => {
                let number = i32::from_le_bytes(self.take(body)?);
                return self.after(Element::Integer(number.into()), 5);
            }
            0xf4 => {
                let number = i64::from_le_bytes(self.take(body)?);
                return self.after(Element::Integer(number), 9);
            }
            _ => return malformed("a listpack has an element of an unknown form"),
        };
        let start = self.at + text_at;
        let end = start.checked_add(length).filter(|end| *end < self.bytes.len());
        let Some(end) = end else {
            return malformed("a listpack ends within an element");
        };
        let text = Bytes::copy_from_slice(&self.bytes[start..end]);
        self.after(Element::Text(text), text_at + length)
    }

    /// Goes on after an element of this size, and after the size of it that follows, for those who read backward.
    fn after(&mut self, element: Element, size: usize) -> Result<Element, Failure> {
        self.at += size + backward(size).len();
        match self.at < self.bytes.len() {
            true => Ok(element),
            false => malformed("a listpack ends within an element"),
        }
    }
}

/// The size of an element as it stands after it.
fn backward(size: usize) -> impl ExactSizeIterator<Item = u8> {
    // Redis takes a byte more for the greatest number of each length.
    let groups = match size {
        0..=0x7f => 1,
        0x80..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    };
    // The lowest bits come last. All but the first byte tell that there are more before them.
    (0..groups).map(move |group| {
        let bits = ((size >> (7 * (groups - 1 - group))) & 0x7f) as u8;
        if group == 0 { bits } else { bits | 0x80 }
    })
}

/// Writes a listpack.
pub(super) struct Builder {
    bytes: Vec<u8>,
    count: usize,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; HEAD], count: 0 }
    }

    pub(super) fn integer(&mut self, number: i64) {
        let start = self.bytes.len();
        if (0..0x80).contains(&number) {
            self.bytes.push(number as u8);
        } else if let Ok(short) = i16::try_from(number) {
            self.bytes.push(0xf1);
            self.bytes.extend(short.to_le_bytes());
        } else if let Ok(int) = i32::try_from(number) {
            self.bytes.push(0xf3);
            self.bytes.extend(int.to_le_bytes());
        } else {
            self.bytes.push(0xf4);
            self.bytes.extend(number.to_le_bytes());
        }
        self.close(start);
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        match text.len() {
            length @ 0..0x40 => self.bytes.push(0x80 | length as u8),
            length @ 0x40..0x1000 => self.bytes.extend((0xe000 | length as u16).to_be_bytes()),
            length => {
                self.bytes.push(0xf0);
                // No string is longer than 512 MiB.
                self.bytes.extend((length as u32).to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.close(start);
    }

    fn close(&mut self, start: usize) {
        let size = self.bytes.len() - start;
        self.bytes.extend(backward(size));
        self.count += 1;
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(END);
        let size = self.bytes.len() as u32;
        let count = u16::try_from(self.count).unwrap_or(u16::MAX);
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4..HEAD].copy_from_slice(&count.to_le_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_reads_back() {
        let numbers = [0, 1, 127, 128, -1, 4095, -4096, 32_767, -32_768, 8_388_607, -8_388_608]
            .into_iter()
            .chain([i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN]);
        let texts = [0, 1, 63, 64, 4095, 4096, 20_000, 300_000].map(|length| vec![b'x'; length]);
        let mut builder = Builder::new();
        let mut expected = Vec::new();
        for number in numbers {
            builder.integer(number);
            expected.push(Element::Integer(number));
        }
        for text in texts {
            builder.text(&text);
            expected.push(Element::Text(text.into()));
        }
        let Ok(mut listpack) = Listpack::new(builder.finish().into()) else { panic!("damaged") };
        assert_eq!(listpack.left(), expected.len());
        for element in expected {
            let read = listpack.next();
            assert!(matches!(&read, Ok(read) if *read == element), "{element:?}: {read:?}");
        }
        assert!(listpack.next().is_err());
    }

    #[test]
    fn small_and_middle_integers_of_redis_are_read() {
        // As Redis writes 4095, -4096 and 8388607: in 13 and in 24 bits.
        let bytes = [
            &[0, 0, 0, 0, 3, 0][..],
            &[0xcf, 0xff, 2],
            &[0xd0, 0x00, 2],
            &[0xf2, 0xff, 0xff, 0x7f, 4],
            &[0xff],
        ];
        let mut bytes = bytes.concat();
        bytes[0] = bytes.len() as u8;
        let Ok(mut listpack) = Listpack::new(bytes.into()) else { panic!("damaged") };
        for number in [4095, -4096, 8_388_607] {
            assert!(matches!(listpack.integer(), Ok(read) if read == number), "{number}");
        }
    }
}
