//! Invalidation by key, tag or pattern, or of everything at once, and the messages that tell other processes.

mod bus;
mod by_key;
mod by_pattern;
mod by_tag;
mod follow;
mod invalidated;
mod invalidator;
mod progress;
mod purge;
mod scripts;
mod tag_versions;

pub(super) use bus::{Announcement, Bus};
pub use invalidated::Invalidated;
pub(super) use invalidator::Invalidator;
pub use progress::Progress;
pub use purge::Purge;
pub(super) use scripts::TAG_VERSION;
pub(super) use tag_versions::TagVersions;
pub(crate) use tag_versions::Versions;
