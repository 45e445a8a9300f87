//! Keys are built, not formatted: `copilot:{domain}:{entity}:{identifier}` with every part escaped.

use std::fmt;

use crate::{Error, ErrorKind, Result};

/// Upstash's hard limit on a key's length, in bytes.
const MAX_KEY_BYTES: usize = 32 * 1024;

/// A prefix that keys are made under, such as `copilot:llm:policy`.
///
/// ```
/// use edgecask::Keyspace;
///
/// let policies = Keyspace::new(["copilot", "llm", "policy"])?;
/// assert_eq!(policies.key(["acme"])?.as_str(), "copilot:llm:policy:acme");
///
/// // No tenant can name another tenant's key or widen a pattern.
/// assert_eq!(policies.key(["a:*"])?.as_str(), "copilot:llm:policy:a%3A%2A");
/// assert!(policies.key([""]).is_err());
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Keyspace(Key);

impl Keyspace {
    /// A keyspace of these parts, joined by colons.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if there is no part, a part is empty, or the whole is over 32 KB.
    pub fn new<P: AsRef<str>>(parts: impl IntoIterator<Item = P>) -> Result<Self> {
        build(String::new(), parts).map(Self)
    }

    /// The key of an identifier (of one or more parts) in this keyspace.
    ///
    /// # Errors
    /// As for [`Keyspace::new`].
    pub fn key<P: AsRef<str>>(&self, identifier: impl IntoIterator<Item = P>) -> Result<Key> {
        build(self.0.0.clone(), identifier)
    }

    /// The text that its keys begin with, without the colon that follows.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// A keyspace inside of this one.
    ///
    /// ```
    /// # use edgecask::Keyspace;
    /// let acme = Keyspace::new(["prod", "acme"])?; // an environment and a tenant
    /// assert_eq!(acme.join(["user"])?.key(["42"])?.as_str(), "prod:acme:user:42");
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Keyspace::new`].
    pub fn join<P: AsRef<str>>(&self, parts: impl IntoIterator<Item = P>) -> Result<Self> {
        build(self.0.0.clone(), parts).map(Self)
    }

    /// The glob pattern that matches every key of this keyspace and no other key.
    ///
    /// ```
    /// # use edgecask::Keyspace;
    /// assert_eq!(Keyspace::new(["copilot", "llm"])?.pattern().as_str(), "copilot:llm:*");
    /// # Ok::<(), edgecask::Error>(())
    /// ```
    pub fn pattern(&self) -> Pattern {
        Pattern(format!("{}:*", escape_glob(&self.0.0)))
    }
}

/// The exact key of one entry, as redis-cli shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// A key given as a whole, with nothing escaped. For keys that other programs chose.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is empty or over 32 KB.
    pub fn verbatim(key: impl Into<String>) -> Result<Self> {
        checked(key.into())
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key `role` beside this one, in the same cluster slot and outside every keyspace that this key is in.
    pub(crate) fn companion(&self, role: &str) -> String {
        if hash_tag(&self.0).is_some() {
            format!("{role}:{}", self.0)
        } else {
            format!("{role}:{{{}}}", self.0)
        }
    }
}

/// The part of a key that decides its cluster slot, if the key names one (Redis Cluster specification, hash tags).
fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
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
    /// A pattern given as a whole.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is empty or over 32 KB.
    pub fn verbatim(pattern: impl Into<String>) -> Result<Self> {
        checked(pattern.into()).map(|key| Self(key.0))
    }

    /// The pattern's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A pattern that matches [`Key::companion`] of every key that this one matches, and maybe of others.
    pub(crate) fn companions(&self, role: &str) -> Self {
        Self(format!("{}:*{}*", escape_glob(role), self.0))
    }
}

fn build<P: AsRef<str>>(mut key: String, parts: impl IntoIterator<Item = P>) -> Result<Key> {
    for part in parts {
        let part = part.as_ref();
        if part.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("a part of a key is empty (after '{key}')"),
            ));
        }
        if !key.is_empty() {
            key.push(':');
        }
        escape_part(part, &mut key);
    }
    checked(key)
}

fn checked(key: String) -> Result<Key> {
    match key.len() {
        0 => Err(Error::new(ErrorKind::InvalidInput, "the key is empty")),
        1..=MAX_KEY_BYTES => Ok(Key(key)),
        length => Err(Error::new(
            ErrorKind::InvalidInput,
            format!("the key is {length} bytes long, the limit is {MAX_KEY_BYTES}"),
        )),
    }
}

/// Percent-encodes what separates parts, means something in a glob or a cluster slot, or cannot be seen.
fn escape_part(part: &str, out: &mut String) {
    use std::fmt::Write;
    for character in part.chars() {
        match character {
            ':' | '*' | '?' | '[' | '\\' | '{' | '}' | '%' => {
                let _ = write!(out, "%{:02X}", character as u32);
            }
            control if control.is_control() => {
                let mut utf8 = [0; 4];
                for byte in control.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            plain => out.push(plain),
        }
    }
}

fn escape_glob(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
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
    fn a_companion_stays_in_the_slot_of_its_key() -> Result<()> {
        let plain = Key::verbatim("a:b")?;
        assert_eq!(plain.companion("lease"), "lease:{a:b}");
        let tagged = Key::verbatim("a:{b}:c")?;
        assert_eq!(tagged.companion("lease"), "lease:a:{b}:c");
        assert_eq!(hash_tag(&tagged.companion("lease")), hash_tag(tagged.as_str()));
        assert_eq!(hash_tag("a{}b"), None);
        Ok(())
    }

    #[test]
    fn too_long_a_key_is_refused() {
        assert!(Key::verbatim("x".repeat(MAX_KEY_BYTES)).is_ok());
        assert!(Key::verbatim("x".repeat(MAX_KEY_BYTES + 1)).is_err());
    }
}
