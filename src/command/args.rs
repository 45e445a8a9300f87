//! How Rust values become arguments: bytes, as Redis takes them.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::key::{Key, Pattern};

/// The arguments of a command, one after the other in one buffer. `Debug` shows their number only.
///
/// ```
/// use edgecask::command::Arguments;
///
/// let arguments = Arguments::new(["a", "b"]);
/// assert_eq!(arguments.iter().collect::<Vec<_>>(), [b"a", b"b"]);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    // Most commands are short: they need no memory of their own.
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
        // A command of 4 GB is refused by every server; it must not wrap around here.
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
pub trait ToArg {
    /// Appends this argument.
    fn write_to(&self, args: &mut Arguments);
}

impl<T: ToArg + ?Sized> ToArg for &T {
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

impl ToArg for std::borrow::Cow<'_, str> {
    fn write_to(&self, args: &mut Arguments) {
        args.push_bytes(self.as_bytes());
    }
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
display_arg!(i16, i32, i64, u16, u32, u64, usize, isize);

/// Written as Redis reads it: the shortest form that reads back as the same number, `inf` and `-inf`.
impl ToArg for f64 {
    fn write_to(&self, args: &mut Arguments) {
        args.push_display(self);
    }
}
