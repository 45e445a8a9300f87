//! The client: a cheap-to-clone handle that carries every typed command over any transport.

mod batch;
mod builder;
mod call;
mod compare;
mod handle;
mod pipelined;
mod script_batch;
mod sender;
mod subscriber;
mod support;

pub use batch::{Pipeline, Replies, Slot, Transaction};
pub use builder::ClientBuilder;
pub use call::{Call, Required};
#[cfg(feature = "automation")]
pub(crate) use compare::COMPARE_AND_DELETE;
pub use compare::Change;
pub(crate) use compare::scripts;
pub use handle::Client;
pub use pipelined::{Batch, Slots};
pub(crate) use script_batch::{ScriptBatch, ScriptReplies};
pub use subscriber::{Event, Subscriber};
