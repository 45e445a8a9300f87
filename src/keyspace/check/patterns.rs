//! Finds the declaration of a key.

use std::collections::HashMap;

use crate::keyspace::Declaration;
use crate::{Error, ErrorKind, Result};

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    /// Its name, without braces.
    Identifier(&'static str),
}

/// Declarations of which no two can cover the same key.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    pub(super) declarations: Vec<Declaration>,
    /// The declarations, by their number of parts and their first part, which is empty for an identifier.
    by_start: HashMap<(usize, &'static str), Vec<usize>>,
    parts: Vec<Vec<Part>>,
}

impl Patterns {
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if two declarations can cover the same key.
    pub(super) fn new(declarations: Vec<Declaration>) -> Result<Self> {
        for (at, one) in declarations.iter().enumerate() {
            if let Some(other) = declarations[..at].iter().find(|other| one.overlaps(other)) {
                let name = |one: &Declaration| format!("'{}' of {}", one.pattern, one.owner);
                let text = format!("{} and {} can name the same key", name(other), name(one));
                return Err(Error::new(ErrorKind::InvalidInput, text));
            }
        }
        let parts: Vec<Vec<Part>> =
            declarations.iter().map(|declaration| parts(declaration.pattern)).collect();
        let mut by_start: HashMap<_, Vec<usize>> = HashMap::new();
        for (at, parts) in parts.iter().enumerate() {
            let first = match parts.first() {
                Some(Part::Literal(text)) => *text,
                _ => "",
            };
            by_start.entry((parts.len(), first)).or_default().push(at);
        }
        Ok(Self { declarations, by_start, parts })
    }

    /// The index of the declaration that covers a key.
    pub(super) fn find(&self, key: &str) -> Option<usize> {
        let count = key.split(':').count();
        let first = key.split(':').next().unwrap_or_default();
        let candidates =
            [first, ""].into_iter().filter_map(|start| self.by_start.get(&(count, start)));
        candidates.flatten().copied().find(|at| {
            let is_excepted = || self.declarations[*at].excepted_part(key).is_some();
            matches(&self.parts[*at], key) && !is_excepted()
        })
    }

    /// The index of the declaration with this pattern.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is none.
    pub(super) fn named(&self, pattern: &str) -> Result<usize> {
        let found = self.declarations.iter().position(|declared| declared.pattern == pattern);
        found.ok_or_else(|| {
            let text = format!("no declaration has the pattern '{pattern}'");
            Error::new(ErrorKind::InvalidInput, text)
        })
    }

    /// Whether the identifiers of one declaration are among those of another.
    pub(super) fn follows(&self, one: usize, other: usize) -> bool {
        let mut names = self.parts[one].iter().filter(|part| matches!(part, Part::Identifier(_)));
        names.all(|part| self.parts[other].contains(part))
    }

    /// The key of one declaration with the identifiers of a key of another.
    pub(super) fn sibling(&self, key: &str, of: usize, to: usize) -> String {
        let texts = self.parts[to].iter().map(|part| match part {
            Part::Literal(text) => text,
            identifier => {
                let mut parts = self.parts[of].iter().zip(key.split(':'));
                parts
                    .find_map(|(part, text)| (part == identifier).then_some(text))
                    .unwrap_or_default()
            }
        });
        texts.collect::<Vec<_>>().join(":")
    }
}

fn parts(pattern: &'static str) -> Vec<Part> {
    let part = |text: &'static str| {
        let name = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        name.map_or(Part::Literal(text), Part::Identifier)
    };
    pattern.split(':').map(part).collect()
}

/// An identifier may be any text, because other programs may not escape it.
fn matches(parts: &[Part], key: &str) -> bool {
    parts.iter().zip(key.split(':')).all(|(part, text)| match part {
        Part::Literal(literal) => *literal == text,
        Part::Identifier(_) => !text.is_empty(),
    })
}
