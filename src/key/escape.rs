//! Escapes in keys and patterns.

/// Whether a byte has a meaning in a glob, in a hash tag, or in an escaped part.
pub(crate) const fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\' | b'{' | b'}' | b'%')
}

/// Whether a byte of UTF-8 ends a control character; `before` is the byte before it.
pub(crate) const fn is_control(before: u8, byte: u8) -> bool {
    // The characters from U+0080 to U+009F are control characters too.
    byte.is_ascii_control() || before == 0xc2 && byte < 0xa0
}

/// Percent-encodes separators, characters with a meaning in a glob or a hash tag, and control characters.
pub(crate) fn escape_part(part: &str, out: &mut String) {
    use std::fmt::Write;
    for character in part.chars() {
        match character {
            ':' | '*' | '?' | '[' | '\\' | '{' | '}' | '%' => {
                let _ = write!(out, "%{:02X}", character as u32);
            }
            control if control.is_control() => {
                let mut utf8 = [0; 4];
                for byte in control.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            plain => out.push(plain),
        }
    }
}

pub(crate) fn escape_glob(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
