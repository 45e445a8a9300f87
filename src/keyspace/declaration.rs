//! What is known of a keyspace, and how its pattern makes a key.

use std::time::Duration;

use super::stored::Decode;
use crate::Result;
use crate::key::{Key, KeyPart, KeyParts, KeyWriter, is_control, is_special};

/// What [`keyspaces!`](crate::keyspaces) declares of one keyspace.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Declaration {
    /// Its name, as a function of its module.
    pub name: &'static str,
    /// The keys: `session:{id}`. A part in braces is an identifier, and the others stand for themselves.
    pub pattern: &'static str,
    /// The type that the key has in Redis.
    pub redis_type: RedisType,
    /// The Rust type of its record, as it is written in the declaration.
    pub record: &'static str,
    /// How long a key lives.
    pub ttl: KeyTtl,
    /// Who answers for it.
    pub owner: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    pub(super) decode: Decode,
}

impl Declaration {
    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        pattern: &'static str,
        (redis_type, record): (RedisType, &'static str),
        ttl: KeyTtl,
        (owner, doc): (&'static str, &'static str),
    ) -> Self {
        Self { name, pattern, redis_type, record, ttl, owner, doc, decode: |_| Ok(()) }
    }

    /// Whether a key can belong to both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        overlap(self.pattern.as_bytes(), other.pattern.as_bytes())
    }

    /// For [`keyspaces!`](crate::keyspaces).
    #[doc(hidden)]
    pub const fn decoded_by(self, decode: Decode) -> Self {
        Self { decode, ..self }
    }
}

/// The type of a key in Redis, as [Redis TYPE](https://redis.io/docs/latest/commands/type/) names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisType {
    /// A string.
    String,
    /// A hash.
    Hash,
}

impl RedisType {
    /// Its name in replies of TYPE.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
        }
    }
}

/// How long the keys of a keyspace live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyTtl {
    /// Until they are deleted.
    Forever,
    /// For so long after the last write.
    OnWrite(Duration),
    /// For so long after the last read or write.
    OnActivity(Duration),
}

impl KeyTtl {
    /// What a write sets, in seconds.
    pub(super) fn on_write(self) -> Option<i64> {
        match self {
            Self::Forever => None,
            Self::OnWrite(ttl) | Self::OnActivity(ttl) => Some(whole_seconds(ttl)),
        }
    }

    /// What a read sets, in seconds.
    pub(super) fn on_read(self) -> Option<i64> {
        match self {
            Self::Forever | Self::OnWrite(_) => None,
            Self::OnActivity(ttl) => Some(whole_seconds(ttl)),
        }
    }
}

fn whole_seconds(ttl: Duration) -> i64 {
    i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX)
}

/// The key that a pattern makes of its identifiers.
///
/// # Errors
/// Those of [`KeyWriter::part`].
pub fn key(pattern: &str, identifiers: &[&dyn KeyPart]) -> Result<Key> {
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

    Key::of(Parts(pattern, identifiers))
}

const fn is_identifier(part: &[u8]) -> bool {
    matches!(part, [b'{', .., b'}'])
}

/// The part of a pattern that begins here, and where the next one begins.
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

/// Whether a pattern's identifiers are these, in this order, and its other parts stand for themselves.
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

/// Whether a part has nothing that a key would have escaped.
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
            if overlap(declarations[one].pattern.as_bytes(), declarations[other].pattern.as_bytes())
            {
                return false;
            }
            other += 1;
        }
        one += 1;
    }
    true
}

/// Whether a key can belong to both patterns: they have as many parts, and each two are equal or one is an identifier.
const fn overlap(one: &[u8], other: &[u8]) -> bool {
    let (mut of_one, mut of_other) = (0, 0);
    while of_one <= one.len() && of_other <= other.len() {
        let (a, next_a) = part(one, of_one);
        let (b, next_b) = part(other, of_other);
        if !is_identifier(a) && !is_identifier(b) && !is_same(a, b) {
            return false;
        }
        (of_one, of_other) = (next_a, next_b);
    }
    of_one > one.len() && of_other > other.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_share_a_key_overlap() {
        let overlap = |one: &str, other: &str| {
            let both = overlap(one.as_bytes(), other.as_bytes());
            assert_eq!(both, super::overlap(other.as_bytes(), one.as_bytes()), "{one} {other}");
            both
        };
        assert!(overlap("session:{id}", "session:{name}"));
        assert!(overlap("config:{name}", "config:council"));
        assert!(overlap("{a}:x", "y:{b}"));
        assert!(!overlap("session:{id}", "session:{id}:steps"));
        assert!(!overlap("session:{id}", "sessions:{id}"));
        assert!(!overlap("a", "ab"));
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
        assert_eq!(key("a:{b}:c", &[&"x:*"])?.as_str(), "a:x%3A%2A:c");
        assert!(key("a:{b}", &[&""]).is_err());
        Ok(())
    }
}
