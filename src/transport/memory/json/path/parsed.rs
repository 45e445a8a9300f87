//! A path that has been read.

use super::parser::Parser;
use super::syntax::Step;
use crate::{Error, Result};

/// A path. One that does not begin with `$` is of the older kind, which names one value: replies have that value alone.
pub(in crate::transport::memory) struct Path<'a> {
    /// As the command has it.
    given: &'a str,
    /// With `$` at its beginning.
    full: String,
    is_legacy: bool,
    steps: Vec<Step>,
}

impl<'a> Path<'a> {
    const MAX_BYTES: usize = 32 << 10;

    /// # Errors
    /// RedisJSON's error for a path that cannot be read.
    pub(in crate::transport::memory) fn parse(given: &'a str) -> Result<Self> {
        let is_legacy = Self::is_legacy_text(given);
        let full = match given {
            _ if !is_legacy => given.to_owned(),
            "." => "$".to_owned(),
            _ if given.starts_with('.') => format!("${given}"),
            _ => format!("$.{given}"),
        };
        if full.len() > Self::MAX_BYTES {
            return Err(Error::server("ERR the path is longer than the embedded engine allows"));
        }
        let steps = Parser::new(&full).path()?;
        Ok(Self { given, full, is_legacy, steps })
    }

    /// Whether a path is of the older kind.
    pub(in crate::transport::memory) fn is_legacy_text(given: &str) -> bool {
        !matches!(given.as_bytes(), [b'$'] | [b'$', b'.' | b'[', ..])
    }

    pub(in crate::transport::memory) fn given(&self) -> &'a str {
        self.given
    }

    pub(in crate::transport::memory) fn full(&self) -> &str {
        &self.full
    }

    pub(in crate::transport::memory) fn is_legacy(&self) -> bool {
        self.is_legacy
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it can find one value at most.
    pub(in crate::transport::memory) fn is_static(&self) -> bool {
        self.steps.iter().all(|step| match step {
            Step::Names(names) => names.len() == 1,
            Step::Indices(indices) => indices.len() == 1,
            _ => false,
        })
    }

    /// The name at its end, if it ends with one name.
    pub(in crate::transport::memory) fn last_name(&self) -> Option<&str> {
        match self.steps.last() {
            Some(Step::Names(names)) => names.first().map(|name| &**name),
            _ => None,
        }
    }
}
