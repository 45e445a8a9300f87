//! Reading the arguments of the JSON commands, in the order in which RedisJSON reads them, with its errors.

use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::json::Path;
use crate::{Error, Result};

/// A path that has not been parsed.
#[derive(Clone, Copy)]
pub(super) struct PathText<'a>(&'a str);

impl<'a> PathText<'a> {
    pub(super) const ROOT: PathText<'static> = PathText(".");

    pub(super) fn parse(self) -> Result<Path<'a>> {
        Path::parse(self.0)
    }

    /// Whether it is the path of the whole document.
    pub(super) fn is_root(self) -> bool {
        matches!(self.0, "$" | ".")
    }

    pub(super) fn is_legacy(self) -> bool {
        Path::is_legacy_text(self.0)
    }

    pub(super) fn given(self) -> &'a str {
        self.0
    }
}

/// The arguments that have not been read yet. A missing one is a wrong number of arguments.
pub(super) struct Arguments<'a> {
    args: Args<'a>,
    at: usize,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(args: Args<'a>) -> Self {
        Self { args, at: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.args.len().saturating_sub(self.at)
    }

    pub(super) fn wrong_arity(&self) -> Error {
        wrong_arity(self.args.command().name())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8]> {
        let bytes = self.args.get(self.at).ok_or_else(|| self.wrong_arity())?;
        self.at += 1;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|_| Error::server("Couldn't parse as UTF-8 string"))
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        let text = std::str::from_utf8(self.bytes()?).ok();
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| Error::server("Couldn't parse as integer"))
    }

    /// A path. It is parsed when the document has been found.
    pub(super) fn path(&mut self) -> Result<PathText<'a>> {
        self.text().map(PathText)
    }

    /// The path that comes next, or that of the whole document if there is none.
    pub(super) fn path_or_root(&mut self) -> Result<PathText<'a>> {
        if self.left() == 0 { Ok(PathText::ROOT) } else { self.path() }
    }

    /// All arguments but the last one, and that one as a path.
    pub(super) fn keys_and_path(
        &self,
    ) -> Result<(impl Iterator<Item = &'a [u8]> + use<'a>, PathText<'a>)> {
        let count = self.args.len();
        if count < 2 {
            return Err(self.wrong_arity());
        }
        let path = std::str::from_utf8(self.args.at(count - 1)?)
            .map_err(|_| Error::server("Couldn't parse as UTF-8 string"))?;
        Ok((self.args.from(0).take(count - 1), PathText(path)))
    }
}
