//! Lua for the embedded engine: `runtime.rs` runs scripts, `sandbox.rs` and `prelude.lua` make the globals that they see,
//! `redis.rs` is the table `redis`, `convert.rs` turns replies into Lua's values and back.

mod arguments;
mod bit;
mod budget;
mod cjson;
mod cjson_settings;
mod cmsgpack;
mod convert;
mod json_reader;
mod json_writer;
mod raised;
mod random;
mod redis;
mod registration;
mod running;
mod runtime;
mod sandbox;
mod structs;
mod watchdog;

pub(super) use runtime::LuaRuntime;
