//! The declaration of a keyspace, and how its pattern becomes a key.

use std::time::Duration;

use super::redis_type::{Encoding, RedisType};
#[cfg(feature = "schema")]
use super::schema::Describe;
use super::schema::RecordSchema;
use super::stored::Decode;
use crate::key::{Key, KeyPart, KeyParts, KeyWriter, is_control, is_special};
use crate::{Error, ErrorKind, Result};

/// The declaration of one keyspace by [`keyspaces!`](crate::keyspaces).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Declaration {
    /// Its name, which is that of its function.
    pub name: &'static str,
    /// The pattern of the keys, such as `session:{id}`. A part in braces is an identifier; the others are literal.
    pub pattern: &'static str,
    /// The type that the key has in Redis.
    pub redis_type: RedisType,
    /// The form of its values and items.
    pub encoding: Encoding,
    /// The Rust type of its record, as it is written in the declaration.
    pub record: &'static str,
    /// How long a key lives.
    pub ttl: KeyTtl,
    /// Words that no identifier may be, because those keys belong to another keyspace.
    pub except: &'static [&'static str],
    /// How many items a list keeps at most.
    pub keep: Option<u32>,
    /// Its owner.
    pub owner: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    pub(super) decode: Decode,
    #[cfg(feature = "schema")]
    pub(super) schema: Option<Describe>,
}

impl Declaration {
    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn new(
        (name, pattern): (&'static str, &'static str),
        (redis_type, record): (RedisType, &'static str),
        ttl: KeyTtl,
        (owner, doc): (&'static str, &'static str),
    ) -> Self {
        Self {
            name,
            pattern,
            redis_type,
            encoding: Encoding::Text,
            record,
            ttl,
            except: &[],
            keep: None,
            owner,
            doc,
            decode: |_| Ok(()),
            #[cfg(feature = "schema")]
            schema: None,
        }
    }

    /// Whether a key can belong to both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        overlap(self, other)
    }

    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn decoded_by(mut self, decode: Decode) -> Self {
        self.decode = decode;
        self
    }

    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn described_by(mut self, encoding: Encoding, schema: RecordSchema) -> Self {
        self.encoding = encoding;
        #[cfg(feature = "schema")]
        {
            self.schema = schema.describe;
        }
        #[cfg(not(feature = "schema"))]
        let RecordSchema {} = schema;
        self
    }

    /// Its documentation in one line.
    pub(super) fn doc_line(&self) -> String {
        self.doc.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn except(mut self, words: &'static [&'static str]) -> Self {
        self.except = words;
        self
    }

    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn keep(mut self, items: u32) -> Self {
        assert!(matches!(self.redis_type, RedisType::List), "only a list keeps its first items");
        assert!(items > 0, "a list keeps one item or more");
        self.keep = Some(items);
        self
    }
}

/// How long the keys of a keyspace live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyTtl {
    /// They do not expire.
    Forever,
    /// For this long after the last write.
    OnWrite(Duration),
    /// For this long after the last read or write.
    OnActivity(Duration),
    /// For this long after the key was created or replaced as a whole.
    FromCreation(Duration),
}

impl KeyTtl {
    /// The time to live that a write sets. `None`: the key does not expire.
    pub const fn after_write(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::OnWrite(ttl) | Self::OnActivity(ttl) | Self::FromCreation(ttl) => Some(ttl),
        }
    }

    /// The time to live that a read sets. `None`: a read does not change it.
    pub const fn after_read(self) -> Option<Duration> {
        match self {
            Self::Forever | Self::OnWrite(_) | Self::FromCreation(_) => None,
            Self::OnActivity(ttl) => Some(ttl),
        }
    }
}

/// The key of a declaration's pattern with these identifiers.
///
/// # Errors
/// Those of [`KeyWriter::part`]; [`ErrorKind::InvalidInput`] for an identifier that the declaration excepts.
pub fn key(declaration: &Declaration, identifiers: &[&dyn KeyPart]) -> Result<Key> {
    struct Parts<'a>(&'a str, &'a [&'a dyn KeyPart]);

    impl KeyParts for Parts<'_> {
        fn write_parts(self, key: &mut KeyWriter) -> Result<()> {
            let mut identifiers = self.1.iter();
            self.0.split(':').try_for_each(|part| match is_identifier(part.as_bytes()) {
                true => identifiers.next().map_or(Ok(()), |identifier| key.part(*identifier)),
                false => key.part(part),
            })
        }
    }

    let key = Key::of(Parts(declaration.pattern, identifiers))?;
    match declaration.excepted_part(key.as_str()) {
        None => Ok(key),
        Some(word) => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("an identifier of '{}' may not be '{word}'", declaration.pattern),
        )),
    }
}

impl Declaration {
    /// The identifier of this key that the declaration excepts.
    pub(super) fn excepted_part<'a>(&self, key: &'a str) -> Option<&'a str> {
        let parts = self.pattern.split(':').zip(key.split(':'));
        let mut identifiers = parts.filter(|(part, _)| is_identifier(part.as_bytes()));
        identifiers.find(|(_, text)| self.except.contains(text)).map(|(_, text)| text)
    }
}

pub(super) const fn is_identifier(part: &[u8]) -> bool {
    matches!(part, [b'{', .., b'}'])
}

/// The part of a pattern that begins at `from`, and where the next one begins.
const fn part(pattern: &[u8], from: usize) -> (&[u8], usize) {
    let mut end = from;
    while end < pattern.len() && pattern[end] != b':' {
        end += 1;
    }
    (pattern.split_at(end).0.split_at(from).1, end + 1)
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// Whether a pattern's identifiers are these, in this order, and its other parts are literal.
pub const fn names_parts(pattern: &str, names: &[&str]) -> bool {
    let pattern = pattern.as_bytes();
    let (mut from, mut named) = (0, 0);
    while from <= pattern.len() {
        let (part, next) = part(pattern, from);
        if is_identifier(part) {
            let name = part.split_at(part.len() - 1).0.split_at(1).1;
            if named == names.len() || !is_same(name, names[named].as_bytes()) {
                return false;
            }
            named += 1;
        } else if !is_literal(part) {
            return false;
        }
        from = next;
    }
    named == names.len()
}

/// Whether a part contains nothing that would be escaped in a key.
const fn is_literal(part: &[u8]) -> bool {
    let (mut at, mut before) = (0, b':');
    while at < part.len() {
        if is_special(part[at]) || is_control(before, part[at]) {
            return false;
        }
        before = part[at];
        at += 1;
    }
    !part.is_empty()
}

/// Whether no key can belong to two of these declarations.
pub const fn are_distinct(declarations: &[Declaration]) -> bool {
    let mut one = 0;
    while one < declarations.len() {
        let mut other = one + 1;
        while other < declarations.len() {
            if overlap(&declarations[one], &declarations[other]) {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}

/// Whether no key can belong to two declarations of these modules. [`keyspaces_distinct!`](crate::keyspaces_distinct) uses
/// it.
pub const fn modules_are_distinct(modules: &[&[Declaration]]) -> bool {
    let mut one = 0;
    while one < modules.len() {
        if !are_distinct(modules[one]) {
            return false;
        }
        let mut other = one + 1;
        while other < modules.len() {
            if !are_apart(modules[one], modules[other]) {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}

/// Whether no key can belong to declarations of both lists.
const fn are_apart(some: &[Declaration], others: &[Declaration]) -> bool {
    let mut one = 0;
    while one < some.len() {
        let mut other = 0;
        while other < others.len() {
            if overlap(&some[one], &others[other]) {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}

/// Whether a key can belong to both: their patterns have the same number of parts, and each pair of parts is equal, or one
/// of them is an identifier that may be the other.
const fn overlap(one: &Declaration, other: &Declaration) -> bool {
    let (of_one, of_other) = (one.pattern.as_bytes(), other.pattern.as_bytes());
    let (mut at_one, mut at_other) = (0, 0);
    while at_one <= of_one.len() && at_other <= of_other.len() {
        let (a, next_a) = part(of_one, at_one);
        let (b, next_b) = part(of_other, at_other);
        let both_can_be = match (is_identifier(a), is_identifier(b)) {
            (true, true) => true,
            (true, false) => !is_among(one.except, b),
            (false, true) => !is_among(other.except, a),
            (false, false) => is_same(a, b),
        };
        if !both_can_be {
            return false;
        }
        (at_one, at_other) = (next_a, next_b);
    }
    at_one > of_one.len() && at_other > of_other.len()
}

const fn is_among(words: &[&str], part: &[u8]) -> bool {
    let mut at = 0;
    while at < words.len() {
        if is_same(words[at].as_bytes(), part) {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn declared(pattern: &'static str) -> Declaration {
        let types = (RedisType::String, "String");
        Declaration::new(("", pattern), types, KeyTtl::Forever, ("", ""))
    }

    fn do_overlap(one: &Declaration, other: &Declaration) -> bool {
        let both = overlap(one, other);
        assert_eq!(both, overlap(other, one), "{} {}", one.pattern, other.pattern);
        both
    }

    #[test]
    fn patterns_that_share_a_key_overlap() {
        let overlap = |one, other| do_overlap(&declared(one), &declared(other));
        assert!(overlap("session:{id}", "session:{name}"));
        assert!(overlap("config:{name}", "config:council"));
        assert!(overlap("{a}:x", "y:{b}"));
        assert!(!overlap("session:{id}", "session:{id}:steps"));
        assert!(!overlap("session:{id}", "sessions:{id}"));
        assert!(!overlap("a", "ab"));
    }

    #[test]
    fn what_is_excepted_is_free_for_another() -> Result<()> {
        let inbox = declared("inbox:{user}").except(&["system", "unread"]);
        assert!(!do_overlap(&inbox, &declared("inbox:system")));
        assert!(do_overlap(&inbox, &declared("inbox:systems")));
        assert!(do_overlap(&inbox, &declared("inbox:{other}")));
        assert_eq!(key(&inbox, &[&"systems"])?.as_str(), "inbox:systems");
        let refused = key(&inbox, &[&"unread"]).unwrap_err();
        assert_eq!(refused.message(), "an identifier of 'inbox:{user}' may not be 'unread'");
        // The other parts of the pattern are no identifiers.
        let same = declared("system:{user}").except(&["system"]);
        assert_eq!(key(&same, &[&"a"])?.as_str(), "system:a");
        Ok(())
    }

    #[test]
    fn identifiers_are_named_in_order() {
        assert!(names_parts("a:{b}:c:{d}", &["b", "d"]));
        assert!(names_parts("a", &[]));
        for (pattern, names) in [
            ("a:{b}", &["c"][..]),
            ("a:{b}", &[]),
            ("a", &["b"]),
            ("a:{b}:{c}", &["c", "b"]),
            ("a::{b}", &["b"]),
            ("a:x{b}", &["b"]),
            ("a:*", &[]),
            ("a:\u{85}", &[]),
            ("", &[]),
        ] {
            assert!(!names_parts(pattern, names), "{pattern}");
        }
    }

    #[test]
    fn an_identifier_stays_one_part() -> Result<()> {
        assert_eq!(key(&declared("a:{b}:c"), &[&"x:*"])?.as_str(), "a:x%3A%2A:c");
        assert!(key(&declared("a:{b}"), &[&""]).is_err());
        Ok(())
    }
}
