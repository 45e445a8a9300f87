//! The trait by which the engine uses a language for scripts. The engine itself knows no Lua.

use bytes::Bytes;

use crate::{Result, Value};

/// The code of a script or a library, without its `#!` line, and the name that identifies it: a script's sha, or the name of a
/// library.
#[derive(Clone, Copy)]
#[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
pub(super) struct Code<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a [u8],
}

/// The keys and arguments of a call.
#[derive(Clone, Copy)]
#[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
pub(super) struct Call<'a> {
    pub(super) keys: &'a [Bytes],
    pub(super) args: &'a [Bytes],
    /// Whether commands that write are refused.
    pub(super) read_only: bool,
}

/// A function that a library registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) flags: Vec<String>,
}

/// A language. It keeps what it has compiled by the code's name, and compiles again what it does not have, so nothing is lost
/// when it drops its state.
pub(super) trait ScriptRuntime<H>: Send {
    /// Checks the syntax of a script, and keeps it compiled.
    fn compile(&mut self, script: Code<'_>) -> Result<()>;

    /// Runs a script, whose commands go to the host.
    fn run(&mut self, host: &mut H, script: Code<'_>, call: Call<'_>) -> Result<Value>;

    /// Runs the code of a library, which registers its functions.
    fn load_library(&mut self, library: Code<'_>) -> Result<Vec<Registered>>;

    /// Calls a function of a library.
    fn call_function(
        &mut self,
        host: &mut H,
        library: Code<'_>,
        function: &str,
        call: Call<'_>,
    ) -> Result<Value>;

    /// Drops all compiled scripts.
    fn forget_scripts(&mut self);

    /// Drops a compiled library.
    fn forget_library(&mut self, name: &str);
}
