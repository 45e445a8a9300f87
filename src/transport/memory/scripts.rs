//! The scripts that the engine knows, and the context of their native implementations.

use std::collections::HashMap;

use bytes::Bytes;

use super::shebang::Shebang;
use crate::command::script::sha1;
use crate::command::{Command, NativeScript, ScriptContext};
use crate::{Error, ErrorKind, Result, Value};

/// The scripts that the engine knows, by sha.
#[derive(Clone, Default)]
pub(super) struct Scripts {
    loaded: HashMap<String, Script>,
    /// Native implementations stay after SCRIPT FLUSH, because they are code of this program.
    natives: HashMap<String, NativeScript>,
}

/// A script that was loaded.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) source: Bytes,
    pub(super) shebang: Shebang,
    pub(super) native: Option<NativeScript>,
}

impl Scripts {
    /// Keeps a script's native implementation, if it has one.
    pub(super) fn register(&mut self, script: &crate::Script) {
        let sha = script.sha();
        if let Some(native) = script.native().filter(|_| !self.natives.contains_key(sha)) {
            self.natives.insert(sha.to_owned(), native);
            if let Some(loaded) = self.loaded.get_mut(sha) {
                loaded.native = Some(native);
            }
        }
    }

    /// The native implementation of a script that is registered.
    pub(super) fn native(&self, sha: &str) -> Option<NativeScript> {
        self.natives.get(sha).copied()
    }

    pub(super) fn insert(&mut self, sha: String, script: Script) {
        self.loaded.insert(sha, script);
    }

    /// A script that is loaded, by its sha in any case.
    pub(super) fn get(&self, sha: &[u8]) -> Option<&Script> {
        let sha = std::str::from_utf8(sha).ok()?;
        match self.loaded.get(sha) {
            None if sha.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                self.loaded.get(&sha.to_ascii_lowercase())
            }
            found => found,
        }
    }

    /// Removes all loaded scripts.
    pub(super) fn flush(&mut self) {
        self.loaded.clear();
    }

    /// Refuses a script without a native implementation, for an engine without Lua. A script with an unknown sha is not refused:
    /// it fails with NOSCRIPT, and the client sends its text.
    pub(super) fn check(&self, command: &Command) -> Result<()> {
        let Some(script) = command.get(0) else { return Ok(()) };
        let runs = match command.name() {
            "EVAL" | "EVAL_RO" => self.natives.contains_key(&sha1(script)),
            "EVALSHA" | "EVALSHA_RO" => {
                self.get(script).is_none_or(|script| script.native.is_some())
            }
            _ => true,
        };
        match runs {
            true => Ok(()),
            false => Err(without_native()),
        }
    }
}

pub(super) fn without_native() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the embedded engine does not run Lua: turn on the feature lua, set Script::with_native, or register a native implementation for this source",
    )
}

/// The engine, as a native implementation calls it.
pub(super) struct NativeContext<'a> {
    call: &'a mut dyn FnMut(&Command) -> Result<Value>,
}

impl<'a> NativeContext<'a> {
    pub(super) fn new(call: &'a mut dyn FnMut(&Command) -> Result<Value>) -> Self {
        Self { call }
    }
}

impl ScriptContext for NativeContext<'_> {
    fn call(&mut self, command: Command) -> Result<Value> {
        (self.call)(&command)
    }
}
