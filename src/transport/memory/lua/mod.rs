//! Lua for the embedded engine: `runtime.rs` runs scripts, `sandbox.rs` and `prelude.lua` make the globals that they see,
//! `redis.rs` is the table `redis`, `convert.rs` turns replies into Lua's values and back.

mod convert;
mod raised;
mod random;
mod redis;
mod registration;
mod running;
mod runtime;
mod sandbox;
mod watchdog;

pub(super) use runtime::LuaRuntime;
