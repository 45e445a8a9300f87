//! Settings of the scripts of an embedded engine.

use std::time::Duration;

/// Settings of the scripts of a [`MemoryTransport`](super::MemoryTransport). The limits are those of Lua, which needs the feature
/// `lua`.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::{prelude::*, transport::memory::{MemoryTransport, ScriptOptions}};
///
/// let options = ScriptOptions::new().limit_time(Duration::from_millis(100));
/// let client = Client::new(MemoryTransport::new().with_script_options(options));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptOptions {
    time: Duration,
    memory: usize,
    native: bool,
    lua: bool,
}

impl ScriptOptions {
    /// A script may run for 5 seconds and Lua may use 128 MiB. Native implementations run instead of the Lua of their scripts.
    pub fn new() -> Self {
        Self { time: Duration::from_secs(5), memory: 128 << 20, native: true, lua: true }
    }

    /// How long a script or a function may run, before it ends with an error. Other callers of the engine wait for it, and so
    /// does their thread. What the script has written by then stays, as in Redis. A single call of a function of Lua's own
    /// libraries, such as a search with a costly pattern, is not interrupted. Native implementations have no limit.
    #[must_use]
    pub fn limit_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// How many bytes the state of Lua may use, together with all compiled scripts; at least 1 MiB. A script that needs more
    /// ends with an error.
    #[must_use]
    pub fn limit_memory(mut self, bytes: usize) -> Self {
        self.memory = bytes.max(1 << 20);
        self
    }

    /// Whether a script with a native implementation ([`Script::with_native`](crate::Script::with_native)) uses that where Lua
    /// runs too. Default: `true`. Tests set `false` to run the Lua that a real server would run.
    #[must_use]
    pub fn prefer_native(mut self, yes: bool) -> Self {
        self.native = yes;
        self
    }

    /// Whether Lua runs, where it can. Default: `true`. With `false` the engine runs native implementations only, as it does on
    /// wasm32 and without the feature `lua`.
    #[must_use]
    pub fn run_lua(mut self, yes: bool) -> Self {
        self.lua = yes;
        self
    }

    #[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
    pub(super) fn time_limit(&self) -> Duration {
        self.time
    }

    #[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
    pub(super) fn memory_limit(&self) -> usize {
        self.memory
    }

    pub(super) fn runs_lua(&self) -> bool {
        self.lua
    }

    pub(super) fn prefers_native(&self) -> bool {
        self.native
    }
}

impl Default for ScriptOptions {
    fn default() -> Self {
        Self::new()
    }
}
