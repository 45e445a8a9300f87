//! Commands: a name and binary-safe arguments, the table of all commands, and the typed commands, one module for each
//! family.
//!
//! # Every command, and where it works
//!
//! A command without a typed method is sent by [`cmd()`]. "Embedded" is the engine in this process. "Upstash" means that
//! only Upstash has it. The documentation of a command names the version of Redis that it needs.
//!
#![doc = include_str!("commands.md")]

mod applied;
mod args;
pub mod arrays;
pub mod bitmaps;
mod cmd;
mod execute;
mod footprint;
pub mod functions;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod json;
pub mod keys;
pub mod lists;
pub(crate) mod native;
pub mod pubsub;
pub(crate) mod script;
pub(crate) mod script_file;
pub mod scripting;
pub mod search;
pub mod server;
pub mod sets;
pub mod sorted_sets;
pub mod streams;
pub mod strings;
mod table;
mod time;
pub mod vectors;

use applied::applied;
pub use args::{Arguments, ToArg};
pub use cmd::{Command, NativeScript, ScriptContext, cmd};
pub use execute::Execute;
pub(crate) use footprint::Footprint;
pub use script::Script;
pub(crate) use script_file::{millis_arg, script};
pub(crate) use table::Role;
pub use table::{
    Access, CommandDocs, CommandInfo, Group, KeyPositions, Refusal, ReplyKeys, Resend,
};
