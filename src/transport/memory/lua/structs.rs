//! The library `struct`: numbers and strings packed as C does.

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{Arguments, add, one};
use super::convert::truncated;

const LONGEST_INTEGER: usize = 32;
const NATIVE_ALIGNMENT: usize = 8;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    // In C a nil follows the arguments of this one.
    add(lua, &library, "pack", |args| match args.len() {
        0 => pack(args),
        _ => pack(&args.with_nil()),
    })?;
    add(lua, &library, "unpack", unpack)?;
    add(lua, &library, "size", size)?;
    Ok(library)
}

/// A format that is being read.
struct Format<'a> {
    args: &'a Arguments<'a>,
    text: Vec<u8>,
    at: usize,
    big_endian: bool,
    alignment: usize,
}

impl<'a> Format<'a> {
    fn new(args: &'a Arguments<'a>) -> mlua::Result<Self> {
        let text = args.string(1)?.as_bytes().to_vec();
        // To C a format ends at its first zero.
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        Ok(Self { args, text, at: 0, big_endian: false, alignment: 1 })
    }

    /// The next option and its size.
    fn next(&mut self) -> mlua::Result<Option<(u8, usize)>> {
        let Some(option) = self.text.get(self.at).copied() else { return Ok(None) };
        self.at += 1;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > LONGEST_INTEGER {
                    return Err(self.args.fail(&format!(
                        "integral size {size} is larger than limit of {LONGEST_INTEGER}"
                    )));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let mut number = 0_i32;
        for digit in &self.text[self.at..self.at + digits] {
            number = number
                .checked_mul(10)
                .and_then(|number| number.checked_add(i32::from(digit - b'0')))
                .ok_or_else(|| self.args.fail("integral size overflow"))?;
        }
        self.at += digits;
        Ok(number.unsigned_abs() as usize)
    }

    /// How many bytes of padding an option needs at this place.
    fn padding(&self, at: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.alignment);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }

    fn control(&mut self, option: u8) -> mlua::Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let alignment = self.number(NATIVE_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    let text = format!("alignment {alignment} is not a power of 2");
                    return Err(self.args.fail(&text));
                }
                self.alignment = alignment;
            }
            other => {
                let text = format!("invalid format option '{}'", char::from(other));
                return Err(self.args.refuse(1, &text));
            }
        }
        Ok(())
    }

    /// The bytes in the order of the format.
    fn ordered<const N: usize>(&self, mut little_endian: [u8; N]) -> [u8; N] {
        if self.big_endian {
            little_endian.reverse();
        }
        little_endian
    }
}

fn pack(args: &Arguments<'_>) -> mlua::Result<MultiValue> {
    let mut format = Format::new(args)?;
    let (mut out, mut arg) = (Vec::new(), 2);
    while let Some((option, size)) = format.next()? {
        out.resize(out.len() + format.padding(out.len(), option, size), 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = args.number(arg)?;
                arg += 1;
                let bits = if number < 0.0 {
                    truncated(number).cast_unsigned()
                } else {
                    // As the machine converts what does not fit.
                    number as u64
                };
                let mut bytes = [0; LONGEST_INTEGER];
                bytes[..8].copy_from_slice(&bits.to_le_bytes());
                let bytes = &mut bytes[..size];
                if format.big_endian {
                    bytes.reverse();
                }
                out.extend_from_slice(bytes);
            }
            b'x' => out.push(0),
            b'f' => {
                out.extend(format.ordered((args.number(arg)? as f32).to_le_bytes()));
                arg += 1;
            }
            b'd' => {
                out.extend(format.ordered(args.number(arg)?.to_le_bytes()));
                arg += 1;
            }
            b'c' | b's' => {
                let text = args.string(arg)?;
                let text = text.as_bytes();
                arg += 1;
                let size = if size == 0 { text.len() } else { size };
                let Some(text) = text.get(..size) else {
                    return Err(args.refuse(arg, "string too short"));
                };
                out.extend_from_slice(text);
                if option == b's' {
                    out.push(0);
                }
            }
            other => format.control(other)?,
        }
    }
    Ok(one(Value::String(args.lua.create_string(out)?)))
}

fn unpack(args: &Arguments<'_>) -> mlua::Result<MultiValue> {
    let mut format = Format::new(args)?;
    let data = args.string(2)?;
    let data = data.as_bytes();
    let start = truncated(args.number_or(3, 1.0)?);
    // A negative position is a very large one in C.
    let mut at = match usize::try_from(start) {
        Ok(0) => return Err(args.refuse(3, "offset must be 1 or greater")),
        Ok(start) => start - 1,
        Err(_) => usize::MAX / 2,
    };
    let too_short = || args.refuse(2, "data string too short");
    let mut out: Vec<Value> = Vec::new();
    while let Some((option, size)) = format.next()? {
        if size > data.len() {
            return Err(too_short());
        }
        at += format.padding(at, option, size);
        let mut item = data.get(at..at + size).ok_or_else(too_short)?;
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = integer(item, format.big_endian, option.is_ascii_lowercase());
                out.push(Value::Number(number));
            }
            b'x' => {}
            b'f' => {
                let bytes = format.ordered(item.try_into().unwrap_or_default());
                out.push(Value::Number(f64::from(f32::from_le_bytes(bytes))));
            }
            b'd' => {
                let bytes = format.ordered(item.try_into().unwrap_or_default());
                out.push(Value::Number(f64::from_le_bytes(bytes)));
            }
            b'c' => {
                if size == 0 {
                    let last = match out.last() {
                        Some(Value::Number(size)) => Some(truncated(*size)),
                        _ => None,
                    };
                    let Some(size) = last else {
                        return Err(args.fail("format 'c0' needs a previous size"));
                    };
                    out.pop();
                    let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size));
                    item = end.and_then(|end| data.get(at..end)).ok_or_else(too_short)?;
                }
                out.push(Value::String(args.lua.create_string(item)?));
            }
            b's' => {
                let rest = &data[at..];
                let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(args.fail("unfinished string in data"));
                };
                out.push(Value::String(args.lua.create_string(&rest[..end])?));
                item = &rest[..=end];
            }
            other => format.control(other)?,
        }
        at += item.len();
    }
    out.push(Value::Number((at + 1) as f64));
    Ok(out.into_iter().collect())
}

fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> f64 {
    let push = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
    let bits = match big_endian {
        true => bytes.iter().fold(0, push),
        false => bytes.iter().rev().fold(0, push),
    };
    if !signed {
        return bits as f64;
    }
    let unused = 64_usize.saturating_sub(8 * bytes.len());
    match unused {
        64 => 0.0,
        unused => ((bits << unused).cast_signed() >> unused) as f64,
    }
}

fn size(args: &Arguments<'_>) -> mlua::Result<MultiValue> {
    let mut format = Format::new(args)?;
    let mut total = 0_usize;
    while let Some((option, size)) = format.next()? {
        total += format.padding(total, option, size);
        match (option, size) {
            (b's', _) => return Err(args.refuse(1, "option 's' has no fixed size")),
            (b'c', 0) => return Err(args.refuse(1, "option 'c0' has no fixed size")),
            (other, _) if !other.is_ascii_alphanumeric() => format.control(other)?,
            _ => {}
        }
        total += size;
    }
    Ok(one(Value::Number(total as f64)))
}
