//! The values of the terms of a filter, and the regular expressions that they match.

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

use super::budget::Budget;
use crate::Result;
use crate::transport::memory::json::Json;

/// The value of a term.
#[derive(Clone, Copy)]
pub(super) enum Meaning<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(&'a str),
    Value(&'a Json),
    /// Its path finds no value, or several.
    Nothing,
}

impl Meaning<'_> {
    /// A value that is no container, as a literal of a filter is.
    fn simple(self) -> Self {
        let Self::Value(value) = self else { return self };
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Integer(number),
                (None, Some(number)) => Self::Float(number),
                (None, None) => Self::Nothing,
            },
            Json::String(text) => Self::Text(text),
            Json::Array(_) | Json::Object(_) => self,
        }
    }

    /// The order of two simple values of one type.
    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self.simple(), other.simple()) {
            (Self::Null, Self::Null) => Some(Ordering::Equal),
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(&right)),
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (Self::Integer(left), Self::Float(right)) => (left as f64).partial_cmp(&right),
            (Self::Float(left), Self::Integer(right)) => left.partial_cmp(&(right as f64)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }
}

/// The regular expression that was used last, so that it is compiled once for many values.
#[derive(Default)]
pub(super) struct Patterns {
    last: Option<(String, Option<Regex>)>,
}

/// The most bytes that a compiled regular expression may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

impl Patterns {
    /// Whether a regular expression finds something in a text. One that cannot be compiled finds nothing.
    pub(super) fn find(&mut self, pattern: &str, text: &str, budget: &Budget) -> Result<bool> {
        budget.spend(1 + text.len() / 16)?;
        if self.last.as_ref().is_none_or(|(last, _)| last != pattern) {
            budget.spend(1024 + pattern.len())?;
            let compiled = RegexBuilder::new(pattern)
                .size_limit(MAX_PATTERN_BYTES)
                .dfa_size_limit(MAX_PATTERN_BYTES)
                .build();
            self.last = Some((pattern.to_owned(), compiled.ok()));
        }
        let compiled = self.last.as_ref().and_then(|(_, compiled)| compiled.as_ref());
        Ok(compiled.is_some_and(|compiled| compiled.is_match(text)))
    }
}
