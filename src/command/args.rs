//! How Rust values become the bytes of arguments.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZero;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::key::{Key, Pattern};

/// The arguments of a command, in one buffer. `Debug` shows their number only.
///
/// ```
/// use edgecask::command::Arguments;
///
/// let arguments = Arguments::new(["a", "b"]);
/// assert_eq!(arguments.iter().collect::<Vec<_>>(), [b"a", b"b"]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    // The arguments of most commands fit inline, without an allocation.
    data: SmallVec<[u8; 40]>,
    ends: SmallVec<[u32; 6]>,
}

impl Arguments {
    /// These arguments.
    pub fn new(args: impl IntoIterator<Item = impl ToArg>) -> Self {
        let mut arguments = Self::default();
        arguments.extend(args);
        arguments
    }

    /// Appends an argument for each item.
    pub fn extend(&mut self, args: impl IntoIterator<Item = impl ToArg>) {
        for arg in args {
            arg.write_to(self);
        }
    }

    /// Appends one argument of these bytes.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.end_arg();
    }

    /// Appends one argument, as it is displayed.
    pub fn push_display(&mut self, value: impl fmt::Display) {
        use std::io::Write;
        // Writing to a Vec cannot fail.
        let _ = write!(self.data, "{value}");
        self.end_arg();
    }

    fn end_arg(&mut self) {
        // Every server refuses a command of 4 GB. The offset must not wrap around here.
        self.ends.push(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
    }

    /// How many arguments there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The length of all arguments together, in bytes.
    pub fn len_bytes(&self) -> usize {
        self.data.len()
    }

    /// The argument at a position, counted from 0.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        (at < self.len()).then(|| &self.data[self.range(at)])
    }

    /// The arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        (0..self.len()).map(|at| &self.data[self.range(at)])
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start as usize..self.ends[at] as usize
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// One argument of a command. Arguments are binary-safe; numbers are written in decimal.
///
/// | type | argument |
/// |---|---|
/// | text, bytes, [`Key`], [`Pattern`] | the bytes, as they are |
/// | integers from `i8` to `u128`, and `NonZero` of each, of `u8` too | decimal text |
/// | `f64`, `f32` | the shortest decimal text that reads back as the same number, `inf`, `-inf` |
/// | `bool` | `1` or `0` |
/// | `char` | its UTF-8 |
/// | `Uuid`, with the feature `uuid` | lower case, with hyphens |
/// | `&T`, `Box<T>`, `Rc<T>`, `Arc<T>`, `Cow<T>` | as `T` |
///
/// Three types are left out on purpose:
/// - `Option`: an absent argument would move all later ones by one place. For an optional argument, pass the option to
///   [`Command::args_from`](super::Command::args_from), which takes it as a list of zero or one arguments.
/// - `Duration`: its unit depends on the command. The typed commands take a `Duration` and write it in the command's unit.
///   For [`cmd`](super::cmd()), pass `as_secs()` or `as_millis()`, as the command requires.
/// - `u8`: byte strings such as `b"key"` would be taken for lists of numbers. Convert it: `u16::from(byte)`.
///
/// ```
/// use edgecask::command::cmd;
///
/// let condition = Some("NX");
/// let command = cmd("SET").arg("flag").arg(true).args_from(condition);
/// assert_eq!(command.args().collect::<Vec<_>>(), [&b"flag"[..], b"1", b"NX"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument of a command",
    note = "an `Option` goes to `Command::args_from`, a `u8` is widened by `u16::from`, and for a `Duration`, pass \
            `as_secs()` or `as_millis()`, as the command asks"
)]
pub trait ToArg {
    /// Appends this argument.
    fn write_to(&self, args: &mut Arguments);
}

macro_rules! pointer_arg {
    ($($pointer:ty),+) => {$(
        impl<T: ToArg + ?Sized> ToArg for $pointer {
            fn write_to(&self, args: &mut Arguments) {
                (**self).write_to(args);
            }
        }
    )+};
}
pointer_arg!(&T, Box<T>, Rc<T>, Arc<T>);

impl<T: ToArg + ToOwned + ?Sized> ToArg for Cow<'_, T> {
    fn write_to(&self, args: &mut Arguments) {
        (**self).write_to(args);
    }
}

macro_rules! bytes_arg {
    ($($kind:ty: $as_bytes:expr),+ $(,)?) => {$(
        impl ToArg for $kind {
            fn write_to(&self, args: &mut Arguments) {
                let as_bytes: fn(&$kind) -> &[u8] = $as_bytes;
                args.push_bytes(as_bytes(self));
            }
        }
    )+};
}
bytes_arg! {
    str: |text| text.as_bytes(),
    String: |text| text.as_bytes(),
    [u8]: |bytes| bytes,
    Vec<u8>: |bytes| bytes,
    Bytes: |bytes| bytes,
    Key: |key| key.as_str().as_bytes(),
    Pattern: |pattern| pattern.as_str().as_bytes(),
}

impl<const N: usize> ToArg for [u8; N] {
    fn write_to(&self, args: &mut Arguments) {
        args.push_bytes(self);
    }
}

macro_rules! display_arg {
    ($($kind:ty),+) => {$(
        impl ToArg for $kind {
            fn write_to(&self, args: &mut Arguments) {
                args.push_display(self);
            }
        }
    )+};
}
display_arg!(i8, i16, i32, i64, i128, isize, u16, u32, u64, u128, usize, f32, f64, char);

macro_rules! non_zero_arg {
    ($($number:ty),+) => { display_arg!($(NonZero<$number>),+); };
}
non_zero_arg!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

#[cfg(feature = "uuid")]
display_arg!(uuid::Uuid);

impl ToArg for bool {
    fn write_to(&self, args: &mut Arguments) {
        args.push_bytes(if *self { b"1" } else { b"0" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_written_as_redis_reads_it() {
        let mut arguments = Arguments::default();
        let values: [&dyn ToArg; 13] = [
            &NonZero::<u8>::MAX,
            &i8::MIN,
            &i128::MIN,
            &u128::MAX,
            &0.1_f32,
            &f64::NEG_INFINITY,
            &true,
            &false,
            &'ß',
            &Arc::<str>::from("shared"),
            &Rc::<[u8]>::from(&b"\xff"[..]),
            &Box::<str>::from("boxed"),
            &Cow::Borrowed(&b"bytes"[..]),
        ];
        values.iter().for_each(|value| value.write_to(&mut arguments));
        let expected: [&[u8]; 13] = [
            b"255",
            b"-128",
            b"-170141183460469231731687303715884105728",
            b"340282366920938463463374607431768211455",
            b"0.1",
            b"-inf",
            b"1",
            b"0",
            "ß".as_bytes(),
            b"shared",
            b"\xff",
            b"boxed",
            b"bytes",
        ];
        assert_eq!(arguments.iter().collect::<Vec<_>>(), expected);
    }
}
