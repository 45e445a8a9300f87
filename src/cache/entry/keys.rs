//! The keys of an entry's lease and of its tags.

use crate::{Key, Keyspace, Result};

/// The role of a lease's key beside its entry's; see [`Key::companion`].
pub(crate) const LEASE_ROLE: &str = "edgecask:lease";

/// The key of an entry's lease.
pub(crate) fn lease_key(key: &Key) -> String {
    key.companion(LEASE_ROLE)
}

/// The key of a tag's version.
pub(crate) fn tag_key(tag: &str) -> Result<Key> {
    Keyspace::new(["edgecask", "tag"])?.key([tag])
}

/// The keys of tags' versions.
pub(crate) fn tag_keys<'a>(tags: impl IntoIterator<Item = &'a String>) -> Result<Vec<Key>> {
    tags.into_iter().map(|tag| tag_key(tag)).collect()
}
