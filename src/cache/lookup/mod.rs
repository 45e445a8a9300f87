//! Looks entries up. An entry is usable if it can be read, its tags are current, and it is fresh or may be served stale.

mod freshness;
mod get;
mod reader;

pub(crate) use freshness::Lookup;
pub(super) use reader::Reader;
