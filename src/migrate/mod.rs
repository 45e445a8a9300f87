//! Moving keys to other names while programs use them.
//!
//! [`RenamePrefix`] gives all keys of one prefix another prefix, in bounded steps that can be interrupted and repeated.

mod across_slots;
mod on_conflict;
mod rename_prefix;

pub use on_conflict::OnConflict;
pub use rename_prefix::{RenamePrefix, Renamed};
