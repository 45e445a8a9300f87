//! The options of RESTORE and SORT.

use std::time::Duration;

use crate::command::Command;

/// The options of RESTORE. By default the key never expires and must be absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreOptions {
    pub(super) ttl: Option<Duration>,
    pub(super) replace: bool,
}

impl RestoreOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key expires after this time, rounded up to milliseconds. Zero counts as 1 ms, because Redis takes 0 for a key
    /// that never expires.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Replaces an existing key.
    #[must_use]
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }
}

/// The options of SORT. By default elements are sorted as numbers, the least first.
///
/// ```
/// use edgecask::command::keys::SortOptions;
///
/// let names_by_age = SortOptions::new().by("age_*").get("name_*").desc().limit(0, 10);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SortOptions {
    by: Option<String>,
    limit: Option<(u64, u64)>,
    get: Vec<String>,
    desc: bool,
    alpha: bool,
}

impl SortOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sorts by the values of these keys, in which the element replaces `*`. Without a `*`, elements are not sorted.
    #[must_use]
    pub fn by(mut self, pattern: impl Into<String>) -> Self {
        self.by = Some(pattern.into());
        self
    }

    /// Skips `offset` elements and gives at most `count`.
    #[must_use]
    pub fn limit(mut self, offset: u64, count: u64) -> Self {
        self.limit = Some((offset, count));
        self
    }

    /// Returns the values of these keys in place of the elements; `#` is the element itself.
    #[must_use]
    pub fn get(mut self, pattern: impl Into<String>) -> Self {
        self.get.push(pattern.into());
        self
    }

    /// The greatest first.
    #[must_use]
    pub fn desc(mut self) -> Self {
        self.desc = true;
        self
    }

    /// Sorts as text.
    #[must_use]
    pub fn alpha(mut self) -> Self {
        self.alpha = true;
        self
    }

    pub(super) fn append(&self, command: Command) -> Command {
        let mut command = command.option("BY", self.by.as_ref());
        if let Some((offset, count)) = self.limit {
            command = command.arg("LIMIT").arg(offset).arg(count);
        }
        for pattern in &self.get {
            command = command.arg("GET").arg(pattern);
        }
        command.arg_if(self.desc, "DESC").arg_if(self.alpha, "ALPHA")
    }
}
