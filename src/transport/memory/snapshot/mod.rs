//! The snapshot file of an engine: how it is locked, loaded and replaced, and when.

mod error;
mod saver;
mod source;
mod store;

pub use self::error::SnapshotError;
pub(super) use self::saver::{Saver, Snapshots};
pub(super) use self::source::Source;
pub(super) use self::store::Store;
