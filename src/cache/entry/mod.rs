//! What Redis holds: an entry's format, its time to live, its options.

mod format;
mod keys;
mod options;
mod packer;
mod ttl;

#[cfg(feature = "encryption")]
pub use format::SealingKeys;
pub use format::{Codec, Compression, Form};
pub(super) use format::{Entry, Format, View};
pub(super) use keys::{LEASE_ROLE, lease_key, tag_key, tag_keys};
pub use options::EntryOptions;
pub(super) use packer::Packer;
pub use ttl::Ttl;

/// The stored formats of a cache, for programs in other languages.
#[doc = include_str!("format/README.md")]
pub mod stored_form {}
