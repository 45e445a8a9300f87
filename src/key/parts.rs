//! The parts of a key, and the types that can be a part.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::escape::escape_part;
use crate::{Error, ErrorKind, Result};

/// One part of a key: text, a number, or a type of your own.
///
/// The text of a part is escaped, so it stays one part. Parts are compared by their text: `42` and `"42"` name the same
/// key. `format_args!` makes a part of anything with `Display`:
///
/// ```
/// use edgecask::Keyspace;
/// use std::net::Ipv6Addr;
///
/// const HOSTS: Keyspace = Keyspace::literal("app:host");
/// assert_eq!(HOSTS.key(format_args!("{}", Ipv6Addr::LOCALHOST))?.as_str(), "app:host:%3A%3A1");
/// # Ok::<(), edgecask::Error>(())
/// ```
///
/// A type of your own:
///
/// ```
/// use edgecask::{KeyPart, Keyspace};
/// use std::fmt;
///
/// struct UserId(u64);
///
/// impl KeyPart for UserId {
///     fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
///         write!(out, "u{}", self.0)
///     }
/// }
///
/// const USERS: Keyspace = Keyspace::literal("app:user");
/// assert_eq!(USERS.key((UserId(7), "profile"))?.as_str(), "app:user:u7:profile");
/// # Ok::<(), edgecask::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a part of a key",
    note = "for a type with `Display`, pass `format_args!(\"{{value}}\")`; for a type of your own, implement `KeyPart`"
)]
pub trait KeyPart {
    /// Writes the part's text, unescaped.
    ///
    /// # Errors
    /// Those of `out`.
    fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result;
}

macro_rules! text_part {
    ($($kind:ty),+) => {$(
        impl KeyPart for $kind {
            fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                out.write_str(self)
            }
        }
    )+};
}
text_part!(str, String);

macro_rules! display_part {
    ($($kind:ty),+) => {$(
        impl KeyPart for $kind {
            fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                write!(out, "{self}")
            }
        }
    )+};
}
display_part!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, char, bool);
display_part!(fmt::Arguments<'_>);
#[cfg(feature = "uuid")]
display_part!(uuid::Uuid);

macro_rules! pointer_part {
    ($($pointer:ty),+) => {$(
        impl<T: KeyPart + ?Sized> KeyPart for $pointer {
            fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
                (**self).write_part(out)
            }
        }
    )+};
}
pointer_part!(&T, Box<T>, Rc<T>, Arc<T>);

impl<T: KeyPart + ToOwned + ?Sized> KeyPart for Cow<'_, T> {
    fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        (**self).write_part(out)
    }
}

/// The parts of a key: one [`KeyPart`], a tuple of up to six, or an array, a slice or a `Vec` of them.
///
/// An identifier of your own, with several parts:
///
/// ```
/// use edgecask::{KeyParts, KeyWriter, Keyspace, Result};
///
/// struct Document<'a> {
///     tenant: &'a str,
///     number: u64,
/// }
///
/// impl KeyParts for Document<'_> {
///     fn write_parts(self, key: &mut KeyWriter) -> Result<()> {
///         key.part(self.tenant)?;
///         key.part(self.number)
///     }
/// }
///
/// const DOCUMENTS: Keyspace = Keyspace::literal("app:document");
/// let key = DOCUMENTS.key(Document { tenant: "acme", number: 7 })?;
/// assert_eq!(key.as_str(), "app:document:acme:7");
/// # Ok::<(), edgecask::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a key",
    note = "give a part such as `\"acme\"` or `42`, a tuple such as `(\"acme\", 42)`, or an array, slice or `Vec` of parts"
)]
pub trait KeyParts {
    /// Writes the parts in order.
    ///
    /// # Errors
    /// Those of [`KeyWriter::part`].
    fn write_parts(self, key: &mut KeyWriter) -> Result<()>;
}

impl<T: KeyPart> KeyParts for T {
    fn write_parts(self, key: &mut KeyWriter) -> Result<()> {
        key.part(self)
    }
}

macro_rules! list_parts {
    ($([$($generics:tt)+] $list:ty),+ $(,)?) => {$(
        impl<$($generics)+> KeyParts for $list {
            fn write_parts(self, key: &mut KeyWriter) -> Result<()> {
                self.into_iter().try_for_each(|part| key.part(part))
            }
        }
    )+};
}
list_parts! {
    [P: KeyPart, const N: usize] [P; N],
    [P: KeyPart, const N: usize] &[P; N],
    [P: KeyPart] &[P],
    [P: KeyPart] Vec<P>,
    [P: KeyPart] &Vec<P>,
}

macro_rules! tuple_parts {
    ($($($part:ident)+;)+) => {$(
        impl<$($part: KeyPart),+> KeyParts for ($($part,)+) {
            #[allow(non_snake_case, reason = "the parts are named as their types are")]
            fn write_parts(self, key: &mut KeyWriter) -> Result<()> {
                let ($($part,)+) = self;
                $(key.part($part)?;)+
                Ok(())
            }
        }
    )+};
}
tuple_parts! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
}

/// Parts from an iterator of texts.
pub(crate) struct TextParts<I>(pub(crate) I);

impl<I: IntoIterator<Item: AsRef<str>>> KeyParts for TextParts<I> {
    fn write_parts(self, key: &mut KeyWriter) -> Result<()> {
        self.0.into_iter().try_for_each(|part| key.part(part.as_ref()))
    }
}

/// A key that is being written, part by part; see [`KeyParts`].
#[derive(Debug)]
pub struct KeyWriter {
    key: String,
}

impl KeyWriter {
    /// Appends a part, with special characters escaped.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if the part is empty, or its `Display` fails.
    pub fn part(&mut self, part: impl KeyPart) -> Result<()> {
        if !self.key.is_empty() {
            self.key.push(':');
        }
        let before = self.key.len();
        if part.write_part(&mut Escaped(&mut self.key)).is_err() {
            return invalid("a part of a key cannot be displayed");
        }
        if self.key.len() == before {
            let before = self.key.trim_end_matches(':');
            return invalid(format!("a part of a key is empty (after '{before}')"));
        }
        Ok(())
    }
}

/// Escapes what is written to it.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape_part(text, self.0);
        Ok(())
    }
}

/// The text of a key: `prefix`, then the parts, joined by colons.
pub(super) fn joined(prefix: &str, parts: impl KeyParts) -> Result<String> {
    let mut key = String::with_capacity(prefix.len() + 40);
    key.push_str(prefix);
    let mut writer = KeyWriter { key };
    parts.write_parts(&mut writer)?;
    // A key without parts would be the prefix itself, which the keyspace's pattern does not match.
    if writer.key.len() == prefix.len() {
        return invalid("a key needs at least one part");
    }
    Ok(writer.key)
}

pub(super) fn invalid<T>(message: impl Into<Cow<'static, str>>) -> Result<T> {
    Err(Error::new(ErrorKind::InvalidInput, message))
}
