//! Iterations in steps: SCAN, HSCAN, SSCAN and ZSCAN.

use std::fmt;

use crate::command::{Arguments, Command, ToArg};
use crate::{FromValue, Result, Value};

/// The position of an iteration. It is opaque, and kept as the server's text, because cursors exceed the range of
/// JavaScript numbers.
///
/// ```
/// use edgecask::command::keys::Cursor;
///
/// assert!(Cursor::default().is_done());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// Whether the iteration is complete. The default cursor, from which it begins, is done too.
    pub fn is_done(&self) -> bool {
        self.0 == "0"
    }
}

impl Default for Cursor {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToArg for Cursor {
    fn write_to(&self, args: &mut Arguments) {
        self.0.write_to(args);
    }
}

/// A page of an iteration: the next cursor, and the items.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The next cursor. The iteration is complete when [`Cursor::is_done`].
    pub cursor: Cursor,
    /// The items of this step. It may be empty although the iteration is not complete, and an item may be returned twice.
    pub items: T,
}

impl<T: FromValue> FromValue for Page<T> {
    fn from_value(value: Value) -> Result<Self> {
        let (cursor, items) = <(String, T)>::from_value(value)?;
        Ok(Self { cursor: Cursor(cursor), items })
    }
}

/// The options of SCAN and similar commands. By default all items are visited, about ten in a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    pattern: Option<String>,
    count: Option<u64>,
    kind: Option<&'static str>,
}

impl ScanOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only items that match this glob.
    #[must_use]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// About how many items a step visits. Default: the server's, 10.
    #[must_use]
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// Only keys of this type, as TYPE names it. Only for SCAN.
    #[must_use]
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.kind = Some(kind);
        self
    }

    pub(crate) fn append(&self, mut command: Command) -> Command {
        if let Some(pattern) = &self.pattern {
            command = command.arg("MATCH").arg(pattern);
        }
        if let Some(count) = self.count {
            command = command.arg("COUNT").arg(count);
        }
        match self.kind {
            Some(kind) => command.arg("TYPE").arg(kind),
            None => command,
        }
    }
}
