//! Keys such as `copilot:{domain}:{entity}:{identifier}`, which are built from parts. Every part is escaped.

mod escape;
mod parts;
mod slot;

use std::borrow::Cow;
use std::fmt;

pub(crate) use escape::{escape_glob, escape_part, is_control, is_special};
pub(crate) use parts::TextParts;
pub use parts::{KeyPart, KeyParts, KeyWriter};
use parts::{invalid, joined};
pub(crate) use slot::slot_of;
use slot::{hash_tag, number_of_slot, slot};

use crate::Result;

/// Upstash's hard limit on a key's length, in bytes.
const MAX_KEY_BYTES: usize = 32 * 1024;

/// A prefix of keys, such as `copilot:llm:policy`.
///
/// ```
/// use edgecask::Keyspace;
///
/// const POLICIES: Keyspace = Keyspace::literal("copilot:llm:policy");
/// assert_eq!(POLICIES.key("acme")?.as_str(), "copilot:llm:policy:acme");
///
/// // An identifier may have several parts, and numbers among them.
/// assert_eq!(POLICIES.key(42)?.as_str(), "copilot:llm:policy:42");
/// assert_eq!(POLICIES.key(("acme", 42))?.as_str(), "copilot:llm:policy:acme:42");
///
/// // No tenant can name another tenant's key or widen a pattern.
/// assert_eq!(POLICIES.key("a:*")?.as_str(), "copilot:llm:policy:a%3A%2A");
/// assert!(POLICIES.key("").is_err());
///
/// // A keyspace whose parts are known only at run time:
/// assert_eq!(Keyspace::new(["copilot", "llm", "policy"])?, POLICIES);
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Keyspace(Cow<'static, str>);

impl Keyspace {
    /// A keyspace of these parts, joined by colons.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if there is no part, a part is empty, or the whole is over 32 KB.
    pub fn new(parts: impl KeyParts) -> Result<Self> {
        Ok(Self(build("", parts)?.0.into()))
    }

    /// A keyspace from literal text, with its parts joined by colons. In a constant, invalid text does not compile:
    ///
    /// ```compile_fail
    /// # use edgecask::Keyspace;
    /// const TENANTS: Keyspace = Keyspace::literal("app:*"); // a pattern is no keyspace
    /// ```
    ///
    /// # Panics
    /// Outside of a constant, if a part is empty or contains a character that [`Keyspace::new`] would escape: `*`, `?`,
    /// `[`, `\`, `{`, `}`, `%`, or a control character. For a text that is not a literal, use [`Keyspace::new`].
    pub const fn literal(text: &'static str) -> Self {
        assert!(text.len() < MAX_KEY_BYTES, "a keyspace must be shorter than 32 KB");
        let bytes = text.as_bytes();
        let mut before = b':';
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            assert!(byte != b':' || before != b':', "a part of a keyspace is not empty");
            assert!(
                !is_special(byte),
                "a keyspace must not contain a glob, brace, backslash or percent sign"
            );
            assert!(!is_control(before, byte), "a keyspace must not contain a control character");
            before = byte;
            at += 1;
        }
        assert!(before != b':', "a part of a keyspace is not empty");
        Self(Cow::Borrowed(text))
    }

    /// The key of an identifier, which has one or more parts, in this keyspace. It makes one allocation.
    ///
    /// # Errors
    /// As for [`Keyspace::new`].
    pub fn key(&self, identifier: impl KeyParts) -> Result<Key> {
        build(&self.0, identifier)
    }

    /// Whether a key is in this keyspace, or in one inside of it.
    pub(crate) fn holds(&self, key: &Key) -> bool {
        key.0.strip_prefix(&*self.0).is_some_and(|rest| rest.starts_with(':'))
    }

    /// The text that its keys begin with, without the colon that follows.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A keyspace inside of this one.
    ///
    /// ```
    /// # use edgecask::Keyspace;
    /// let acme = Keyspace::new(["prod", "acme"])?; // an environment and a tenant
    /// assert_eq!(acme.join("user")?.key(42)?.as_str(), "prod:acme:user:42");
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Keyspace::new`].
    pub fn join(&self, parts: impl KeyParts) -> Result<Self> {
        Ok(Self(build(&self.0, parts)?.0.into()))
    }

    /// The glob pattern that matches every key of this keyspace and no other key.
    ///
    /// ```
    /// # use edgecask::Keyspace;
    /// assert_eq!(Keyspace::new(["copilot", "llm"])?.pattern().as_str(), "copilot:llm:*");
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    pub fn pattern(&self) -> Pattern {
        Pattern(format!("{}:*", escape_glob(&self.0)))
    }
}

/// The exact key of one entry, as redis-cli shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// A key from its complete text, without escapes. For keys of other programs.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty or over 32 KB.
    pub fn verbatim(key: impl Into<String>) -> Result<Self> {
        checked(key.into())
    }

    /// A key of these parts, in no keyspace.
    pub(crate) fn of(parts: impl KeyParts) -> Result<Self> {
        build("", parts)
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A companion key for `role`, in the same cluster slot and outside of every keyspace that this key is in. It is unique
    /// to this key. Behind a [`KeyPrefix`](crate::layer::KeyPrefix) both share a slot if the prefix or this key has a hash
    /// tag.
    ///
    /// It takes some milliseconds for a key with a closing brace and no hash tag. Only [`Key::verbatim`] creates such keys.
    pub(crate) fn companion(&self, role: &str) -> String {
        let key = &self.0;
        // The character after the role distinguishes the three forms.
        if hash_tag(key.as_bytes()).is_some() {
            format!("{role}::{key}")
        } else if key.contains('}') {
            // A hash tag cannot contain a closing brace, so another text of the same slot is the hash tag.
            format!("{role}:#{{{}}}:{key}", number_of_slot(slot(key.as_bytes())))
        } else {
            format!("{role}:{{{key}}}")
        }
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl KeyPart for Key {
    fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A glob pattern over keys, in Redis's syntax (`*`, `?`, `[…]`, `\`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its complete text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if it is empty or over 32 KB.
    pub fn verbatim(pattern: impl Into<String>) -> Result<Self> {
        checked(pattern.into()).map(|key| Self(key.0))
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A pattern that matches the companions of all keys that this one matches, and possibly others.
    pub(crate) fn companions(&self, role: &str) -> Self {
        Self(format!("{}:*{}*", escape_glob(role), self.0))
    }
}

fn build(prefix: &str, parts: impl KeyParts) -> Result<Key> {
    checked(joined(prefix, parts)?)
}

fn checked(key: String) -> Result<Key> {
    match key.len() {
        0 => invalid("the key is empty"),
        1..=MAX_KEY_BYTES => Ok(Key(key)),
        length => invalid(format!("the key is {length} bytes long, the limit is {MAX_KEY_BYTES}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn different_identifiers_never_share_a_key() -> Result<()> {
        let space = Keyspace::new(["s"])?;
        assert_ne!(space.key(["a", "b"])?, space.key(["a:b"])?);
        assert_ne!(space.key(["a%3Ab"])?, space.key(["a:b"])?);
        assert_eq!(space.key(["\u{85}\n"])?.as_str(), "s:%C2%85%0A");
        Ok(())
    }

    #[test]
    fn a_key_has_at_least_one_part() -> Result<()> {
        let space = Keyspace::literal("s");
        assert!(space.key([""; 0]).is_err());
        assert!(space.join(Vec::<String>::new()).is_err());
        assert!(Keyspace::new([""; 0]).is_err());
        let error = space.key(("a", "")).map_err(|error| error.to_string());
        assert_eq!(error, Err("invalid input: a part of a key is empty (after 's:a')".to_owned()));
        assert!(space.key(format_args!("")).is_err());
        Ok(())
    }

    #[test]
    fn numbers_and_texts_of_every_owner_are_parts() -> Result<()> {
        const SPACE: Keyspace = Keyspace::literal("app:user");
        let shared: Arc<str> = "a".into();
        for key in [
            SPACE.key(("a", 42_u8))?,
            SPACE.key((&shared, -42_i128))?,
            SPACE.key(["a", "42"])?,
            SPACE.key(&["a".to_owned(), "42".to_owned()])?,
            SPACE.key(&vec![Cow::Borrowed("a"), Cow::Owned("42".to_owned())][..])?,
            SPACE.join(Box::<str>::from("a"))?.key(42)?,
        ] {
            assert_eq!(key.as_str().replace('-', ""), "app:user:a:42");
        }
        assert_eq!(SPACE.key(('ß', true, "x", 1, 2, 3))?.as_str(), "app:user:ß:true:x:1:2:3");
        Ok(())
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_a_part() -> Result<()> {
        let id = uuid::Uuid::from_u128(7);
        let key = Keyspace::literal("app:order").key(id)?;
        assert_eq!(key.as_str(), "app:order:00000000-0000-0000-0000-000000000007");
        Ok(())
    }

    #[test]
    fn a_literal_is_what_new_makes_of_its_parts() -> Result<()> {
        for parts in [&["a"][..], &["app", "user"], &["é\u{a0}", "x-y_z.0"]] {
            let text: &'static str = parts.join(":").leak();
            assert_eq!(Keyspace::literal(text), Keyspace::new(parts)?);
        }
        let wrong = [
            "", ":", "a:", ":a", "a::b", "a*", "a?", "[a", "a\\", "{a}", "a%3A", "a\n", "a\u{7f}",
            "a\u{85}",
        ];
        for text in wrong {
            assert!(std::panic::catch_unwind(|| Keyspace::literal(text)).is_err(), "{text:?}");
        }
        Ok(())
    }

    #[test]
    fn a_companion_stays_in_the_slot_of_its_key() -> Result<()> {
        let plain = Key::verbatim("a:b")?;
        assert_eq!(plain.companion("lease"), "lease:{a:b}");
        let tagged = Key::verbatim("a:{b}:c")?;
        assert_eq!(tagged.companion("lease"), "lease::a:{b}:c");
        assert_eq!(hash_tag(b"a{}b"), None);
        assert_eq!(slot(b"123456789"), 0x31c3);
        // All keys of up to four of these characters.
        let mut keys = vec![String::new()];
        let mut companions = std::collections::HashSet::new();
        for _ in 0..4 {
            let longer = |key: &String| ["{", "}", ":", "a"].map(|more| format!("{key}{more}"));
            keys = keys.iter().flat_map(longer).collect();
            for key in &keys {
                let companion = Key::verbatim(key)?.companion("lease");
                assert_eq!(slot_of(&companion), slot_of(key), "{key} {companion}");
                let together = |prefix: &str| {
                    slot_of([prefix, &companion].concat()) == slot_of([prefix, key].concat())
                };
                assert!(together("{acme}:"), "{key} {companion}");
                assert!(
                    hash_tag(key.as_bytes()).is_none() || together("acme:"),
                    "{key} {companion}"
                );
                assert!(companions.insert(companion), "{key}");
            }
        }
        // The keys that the third form might be taken for.
        for key in ["#{1}:a}", "{1}:a}", ":{1}:a}", "#{a}", "{#{a}"] {
            assert!(companions.insert(Key::verbatim(key)?.companion("lease")), "{key}");
        }
        Ok(())
    }

    #[test]
    fn too_long_a_key_is_refused() {
        assert!(Key::verbatim("x".repeat(MAX_KEY_BYTES)).is_ok());
        assert!(Key::verbatim("x".repeat(MAX_KEY_BYTES + 1)).is_err());
    }
}
