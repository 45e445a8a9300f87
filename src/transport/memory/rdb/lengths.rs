//! Lengths, strings and numbers, as they are written.

use crate::transport::memory::number;

/// The two highest bits of the first byte tell how long a length is, or that it stands for an encoding of a string.
pub(super) const WIDE: u8 = 0b01 << 6;
pub(super) const FOUR_BYTES: u8 = 0x80;
pub(super) const EIGHT_BYTES: u8 = 0x81;
pub(super) const ENCODED: u8 = 0b11 << 6;

/// Strings that are integers of 8, 16 and 32 bits, and compressed ones.
pub(super) const INT_8: u8 = 0;
pub(super) const INT_16: u8 = 1;
pub(super) const INT_32: u8 = 2;
pub(super) const COMPRESSED: u8 = 3;

pub(super) fn put_length(out: &mut Vec<u8>, length: u64) {
    match length {
        0..0x40 => out.push(length as u8),
        0x40..0x4000 => out.extend(((u16::from(WIDE) << 8) | length as u16).to_be_bytes()),
        _ => match u32::try_from(length) {
            Ok(length) => {
                out.push(FOUR_BYTES);
                out.extend(length.to_be_bytes());
            }
            Err(_) => {
                out.push(EIGHT_BYTES);
                out.extend(length.to_be_bytes());
            }
        },
    }
}

/// Writes a string. A short one that is an integer takes as many bytes as that.
pub(super) fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    const LONGEST_INT: usize = 11;
    let integer = if text.len() <= LONGEST_INT { number::int(text) } else { None };
    let integer = integer.and_then(|number| i32::try_from(number).ok());
    let Some(number) = integer else {
        put_length(out, text.len() as u64);
        out.extend_from_slice(text);
        return;
    };
    if let Ok(byte) = i8::try_from(number) {
        out.push(ENCODED | INT_8);
        out.extend(byte.to_le_bytes());
    } else if let Ok(short) = i16::try_from(number) {
        out.push(ENCODED | INT_16);
        out.extend(short.to_le_bytes());
    } else {
        out.push(ENCODED | INT_32);
        out.extend(number.to_le_bytes());
    }
}
