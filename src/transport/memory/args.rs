//! Reading a command's arguments, with Redis's error messages.

use bytes::Bytes;

use super::number;
use crate::command::Command;
use crate::{Error, Result};

/// The arguments of the command that is being run.
#[derive(Clone, Copy)]
pub(super) struct Args<'a> {
    command: &'a Command,
    /// How many arguments are left out.
    skipped: usize,
}

impl<'a> Args<'a> {
    pub(super) fn new(command: &'a Command) -> Self {
        Self { command, skipped: 0 }
    }

    /// The arguments without the first one.
    pub(super) fn without_first(self) -> Self {
        Self { skipped: self.skipped + 1, ..self }
    }

    pub(super) fn command(&self) -> &'a Command {
        self.command
    }

    pub(super) fn len(&self) -> usize {
        self.command.args().len().saturating_sub(self.skipped)
    }

    /// The argument at a position; the arity has been checked, so a missing one is a syntax error.
    pub(super) fn at(&self, at: usize) -> Result<&'a [u8]> {
        self.get(at).ok_or_else(syntax)
    }

    pub(super) fn get(&self, at: usize) -> Option<&'a [u8]> {
        self.command.get(self.skipped + at)
    }

    pub(super) fn bytes(&self, at: usize) -> Result<Bytes> {
        self.at(at).map(Bytes::copy_from_slice)
    }

    pub(super) fn from(&self, start: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.command.args().skip(self.skipped + start)
    }

    pub(super) fn int(&self, at: usize) -> Result<i64> {
        number::int(self.at(at)?).ok_or_else(not_an_integer)
    }

    pub(super) fn float(&self, at: usize) -> Result<f64> {
        number::float(self.at(at)?).ok_or_else(|| Error::server("ERR value is not a valid float"))
    }

    /// A count that has to be positive or zero.
    pub(super) fn count(&self, at: usize) -> Result<usize> {
        number::int(self.at(at)?)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or_else(|| Error::server("ERR value is out of range, must be positive"))
    }

    /// Whether the argument at a position is this word, in any case.
    pub(super) fn is(&self, at: usize, word: &str) -> bool {
        self.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// The argument at a position as a capital word, for matching options.
    pub(super) fn word(&self, at: usize) -> String {
        self.get(at)
            .map(|arg| String::from_utf8_lossy(arg).to_ascii_uppercase())
            .unwrap_or_default()
    }

    /// Pairs from a position to the end; an odd number is a wrong number of arguments.
    pub(super) fn pairs(
        &self,
        start: usize,
    ) -> Result<impl Iterator<Item = (Bytes, Bytes)> + use<'a>> {
        if !(self.len().saturating_sub(start)).is_multiple_of(2) {
            return Err(wrong_arity(self.command.name()));
        }
        let args = *self;
        Ok((start..self.len()).step_by(2).filter_map(move |at| {
            let copy = |at| args.get(at).map(Bytes::copy_from_slice);
            Some((copy(at)?, copy(at + 1)?))
        }))
    }

    /// `numkeys key [key …]` at a position: the keys, and the position after them.
    pub(super) fn counted_keys(
        &self,
        at: usize,
        bad_count: &'static str,
    ) -> Result<(Vec<&'a [u8]>, usize)> {
        let count = number::int(self.at(at)?)
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| *count > 0)
            .ok_or_else(|| Error::server(bad_count))?;
        let end =
            (at + 1).checked_add(count).filter(|end| *end <= self.len()).ok_or_else(syntax)?;
        Ok((self.from(at + 1).take(count).collect(), end))
    }
}

pub(super) fn syntax() -> Error {
    Error::server("ERR syntax error")
}

pub(super) fn not_an_integer() -> Error {
    Error::server("ERR value is not an integer or out of range")
}

pub(super) fn wrong_arity(name: &str) -> Error {
    Error::server(&format!(
        "ERR wrong number of arguments for '{}' command",
        name.to_ascii_lowercase()
    ))
}
