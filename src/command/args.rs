//! How Rust values become arguments: bytes, as Redis takes them.

use bytes::Bytes;

use super::Command;
use crate::key::{Key, Pattern};

/// One argument of a command. Arguments are binary-safe; numbers are written in decimal.
pub trait ToArg {
    /// Appends this argument.
    fn write_to(&self, command: &mut Command);
}

impl<T: ToArg + ?Sized> ToArg for &T {
    fn write_to(&self, command: &mut Command) {
        (**self).write_to(command);
    }
}

macro_rules! bytes_arg {
    ($($kind:ty: $as_bytes:expr),+ $(,)?) => {$(
        impl ToArg for $kind {
            fn write_to(&self, command: &mut Command) {
                let as_bytes: fn(&$kind) -> &[u8] = $as_bytes;
                command.push_bytes(as_bytes(self));
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
    fn write_to(&self, command: &mut Command) {
        command.push_bytes(self.as_bytes());
    }
}

impl<const N: usize> ToArg for [u8; N] {
    fn write_to(&self, command: &mut Command) {
        command.push_bytes(self);
    }
}

macro_rules! display_arg {
    ($($kind:ty),+) => {$(
        impl ToArg for $kind {
            fn write_to(&self, command: &mut Command) {
                command.push_display(self);
            }
        }
    )+};
}
display_arg!(i16, i32, i64, u16, u32, u64, usize, isize);

/// Written as Redis reads it: the shortest form that reads back as the same number, `inf` and `-inf`.
impl ToArg for f64 {
    fn write_to(&self, command: &mut Command) {
        command.push_display(self);
    }
}
