//! The client: a cheap-to-clone handle that carries every typed command over any transport.

mod batch;
mod builder;
mod call;
mod compare;
mod handle;
mod pipelined;
mod repeat;
mod script_batch;
mod scripts;
mod sender;
mod subscriber;
mod support;

pub use batch::{Pipeline, Replies, Slot, Transaction};
pub use builder::ClientBuilder;
pub use call::{Call, Required};
pub use compare::Change;
pub use handle::Client;
pub use pipelined::{Batch, Slots};
pub(crate) use repeat::{repeat_if_lost, still_unknown};
pub(crate) use script_batch::{ScriptBatch, ScriptReplies};
#[cfg(feature = "automation")]
pub(crate) use scripts::COMPARE_AND_DELETE;
pub use subscriber::{Event, Subscriber};

/// The Lua scripts that compare and set, or delete.
pub(crate) fn scripts() -> [&'static crate::command::Script; 2] {
    [&scripts::COMPARE_AND_SET, &scripts::COMPARE_AND_DELETE]
}
