//! The scripts that the engine knows, and the context of their native implementations.

use std::collections::HashMap;

use crate::command::script::sha1;
use crate::command::{Access, Command, NativeScript, ScriptContext};
use crate::{Error, ErrorKind, Result, Value};

/// The scripts that the engine knows, by sha.
#[derive(Clone, Default)]
pub(super) struct Scripts {
    loaded: HashMap<String, Option<NativeScript>>,
    /// Native implementations stay after SCRIPT FLUSH, because they are code of this program.
    natives: HashMap<String, NativeScript>,
}

impl Scripts {
    pub(super) fn register(&mut self, source: &[u8], native: Option<NativeScript>) {
        if let Some(native) = native {
            self.natives.insert(sha1(source), native);
        }
    }

    /// Loads a script, and returns its sha and its native implementation.
    pub(super) fn load(
        &mut self,
        source: &[u8],
        native: Option<NativeScript>,
    ) -> (String, Option<NativeScript>) {
        let sha = sha1(source);
        let native = native.or_else(|| self.natives.get(&sha).copied());
        self.loaded.insert(sha.clone(), native);
        (sha, native)
    }

    /// The native implementation, if it has one, of a script that is known.
    pub(super) fn get(&self, sha: &[u8]) -> Option<Option<NativeScript>> {
        self.loaded.get(&String::from_utf8_lossy(sha).to_ascii_lowercase()).copied()
    }

    /// Removes all loaded scripts.
    pub(super) fn flush(&mut self) {
        self.loaded.clear();
    }

    /// Refuses a script without a native implementation. A script with an unknown sha is not refused: it fails with
    /// NOSCRIPT, and the client sends its text.
    pub(super) fn check(&self, command: &Command) -> Result<()> {
        let Some(script) = command.get(0).filter(|_| command.native().is_none()) else {
            return Ok(());
        };
        let runs = match command.name() {
            "EVAL" | "EVAL_RO" => self.natives.contains_key(&sha1(script)),
            "EVALSHA" | "EVALSHA_RO" => self.get(script).is_none_or(|native| native.is_some()),
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
        "the embedded engine does not run Lua: set Script::with_native, or register a native implementation for this source",
    )
}

/// The engine, as a native implementation calls it.
pub(super) struct NativeContext<'a> {
    call: &'a mut dyn FnMut(&Command) -> Result<Value>,
    read_only: bool,
}

impl<'a> NativeContext<'a> {
    pub(super) fn new(call: &'a mut dyn FnMut(&Command) -> Result<Value>, read_only: bool) -> Self {
        Self { call, read_only }
    }
}

impl ScriptContext for NativeContext<'_> {
    fn call(&mut self, command: Command) -> Result<Value> {
        if matches!(command.name(), "EVAL" | "EVAL_RO" | "EVALSHA" | "EVALSHA_RO" | "SCRIPT") {
            return Err(Error::server("ERR This Redis command is not allowed from script"));
        }
        if self.read_only && command.info().access == Access::Write {
            return Err(Error::server(
                "ERR Write commands are not allowed from read-only scripts.",
            ));
        }
        (self.call)(&command)
    }
}
