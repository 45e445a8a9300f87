//! Whether there is a value, and whether it is usable: it is readable, its tags are current, and it is fresh or may be
//! served stale.

mod freshness;
mod get;
mod reader;

pub(crate) use freshness::Lookup;
pub(super) use reader::Reader;
