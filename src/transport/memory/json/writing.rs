//! From a value to text.

use super::value::Json;
use crate::{Error, Result};

/// The white space between the parts of a text. Without any, the text is compact.
#[derive(Clone, Copy, Default)]
pub(in crate::transport::memory) struct Layout<'a> {
    /// Before each element or member, once for each container around it.
    pub(in crate::transport::memory) indent: &'a str,
    /// Before the indent.
    pub(in crate::transport::memory) newline: &'a str,
    /// Between a name's colon and the value.
    pub(in crate::transport::memory) space: &'a str,
}

/// The longest text: the longest string of a Redis, and on wasm32 half of what an instance of a Worker has.
const MAX_BYTES: usize = if cfg!(target_arch = "wasm32") { 64 << 20 } else { 512 << 20 };

pub(super) const TOO_LARGE: &str = "ERR the JSON text is larger than the embedded engine allows";

/// Writes values, and containers of them that exist in a reply alone.
pub(in crate::transport::memory) struct Writer<'a> {
    text: Vec<u8>,
    layout: Layout<'a>,
    depth: usize,
    /// The most bytes of the text.
    limit: usize,
}

impl<'a> Writer<'a> {
    pub(in crate::transport::memory) fn new(layout: Layout<'a>) -> Self {
        Self { text: Vec::new(), layout, depth: 0, limit: MAX_BYTES }
    }

    /// The compact text of a value.
    ///
    /// # Errors
    /// If it is too long for a reply.
    pub(in crate::transport::memory) fn compact(value: &Json) -> Result<Vec<u8>> {
        let mut writer = Self::new(Layout::default());
        writer.value(value)?;
        Ok(writer.finish())
    }

    /// The compact text of a value, however long it is.
    pub(in crate::transport::memory) fn unbounded(value: &Json) -> Vec<u8> {
        let mut writer = Self { limit: usize::MAX, ..Self::new(Layout::default()) };
        // Without a limit nothing fails.
        let _ = writer.value(value);
        writer.finish()
    }

    pub(in crate::transport::memory) fn finish(self) -> Vec<u8> {
        self.text
    }

    pub(in crate::transport::memory) fn value(&mut self, value: &Json) -> Result<()> {
        match value {
            Json::Null => self.text.extend_from_slice(b"null"),
            Json::Bool(value) => {
                self.text.extend_from_slice(if *value { b"true" } else { b"false" })
            }
            // RedisJSON writes no plus sign in exponents.
            Json::Number(number) => {
                self.text.extend_from_slice(number.to_string().replace('+', "").as_bytes());
            }
            Json::String(text) => self.string(text)?,
            Json::Array(items) => self.array(items)?,
            Json::Object(members) => {
                self.object(members.iter().map(|(name, value)| (&**name, value)), Self::value)?;
            }
        }
        self.check()
    }

    pub(in crate::transport::memory) fn array<'v>(
        &mut self,
        items: impl IntoIterator<Item = &'v Json>,
    ) -> Result<()> {
        self.container(*b"[]", items, Self::value)
    }

    /// An object whose values are written by a function.
    pub(in crate::transport::memory) fn object<'v, V>(
        &mut self,
        members: impl IntoIterator<Item = (&'v str, V)>,
        write: impl Fn(&mut Self, V) -> Result<()>,
    ) -> Result<()> {
        self.container(*b"{}", members, |writer, (name, value)| {
            writer.string(name)?;
            writer.text.push(b':');
            writer.text.extend_from_slice(writer.layout.space.as_bytes());
            write(writer, value)
        })
    }

    fn container<V>(
        &mut self,
        brackets: [u8; 2],
        values: impl IntoIterator<Item = V>,
        write: impl Fn(&mut Self, V) -> Result<()>,
    ) -> Result<()> {
        self.text.push(brackets[0]);
        self.depth += 1;
        let mut is_empty = true;
        for value in values {
            if !is_empty {
                self.text.push(b',');
            }
            is_empty = false;
            self.start_of_line()?;
            write(self, value)?;
        }
        self.depth -= 1;
        if !is_empty {
            self.start_of_line()?;
        }
        self.text.push(brackets[1]);
        Ok(())
    }

    fn start_of_line(&mut self) -> Result<()> {
        self.text.extend_from_slice(self.layout.newline.as_bytes());
        for _ in 0..self.depth {
            self.text.extend_from_slice(self.layout.indent.as_bytes());
            self.check()?;
        }
        self.check()
    }

    fn string(&mut self, text: &str) -> Result<()> {
        serde_json::to_writer(&mut self.text, text).map_err(|_| Error::server(TOO_LARGE))
    }

    fn check(&self) -> Result<()> {
        if self.text.len() > self.limit { Err(Error::server(TOO_LARGE)) } else { Ok(()) }
    }
}
