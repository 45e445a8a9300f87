//! The engine: checks a command's arity, and runs its handler. It gets handlers from a function, so it does not depend on them.

use bytes::Bytes;

use super::args::{Args, wrong_arity};
use super::keyspace::Keyspace;
use super::listeners::Listeners;
use super::scripts::{NativeContext, Scripts};
use crate::command::{Command, Script};
use crate::transport::Results;
use crate::{Error, Result, Value};

/// A command that the engine runs: its name, its arity as Redis counts it (with the name; negative: at least) and
/// what it does.
pub(super) struct Handler {
    pub(super) name: &'static str,
    arity: isize,
    run: fn(&mut Engine, Args<'_>) -> Result<Value>,
}

/// A handler that needs only the keys.
macro_rules! on_keys {
    ($($name:literal $arity:literal $run:expr),+ $(,)?) => {
        &[$($crate::transport::memory::engine::Handler::new($name, $arity, |engine, args| {
            let run: fn(
                &mut $crate::transport::memory::keyspace::Keyspace,
                $crate::transport::memory::args::Args<'_>,
            ) -> $crate::Result<$crate::Value> = $run;
            run(&mut engine.keyspace, args)
        })),+]
    };
}
pub(super) use on_keys;

impl Handler {
    pub(super) const fn new(
        name: &'static str,
        arity: isize,
        run: fn(&mut Engine, Args<'_>) -> Result<Value>,
    ) -> Self {
        Self { name, arity, run }
    }
}

/// Finds the handler of a command.
pub(super) type Find = fn(&str) -> Option<&'static Handler>;

pub(super) struct Engine {
    find: Find,
    pub(super) keyspace: Keyspace,
    pub(super) listeners: Listeners,
    pub(super) scripts: Scripts,
}

impl Engine {
    pub(super) fn new(find: Find) -> Self {
        Self {
            find,
            keyspace: Keyspace::new(),
            listeners: Listeners::default(),
            scripts: Scripts::default(),
        }
    }

    /// Another engine with the same keys and scripts, and without subscribers.
    pub(super) fn fork(&self) -> Self {
        Self {
            find: self.find,
            keyspace: self.keyspace.clone(),
            listeners: Listeners::default(),
            scripts: self.scripts.clone(),
        }
    }

    pub(super) fn register(&mut self, script: &Script) {
        self.scripts.register(script.source().as_bytes(), script.native());
    }

    /// Refuses a script without a native implementation, as [`MemoryTransport::check`](super::MemoryTransport::check) does.
    pub(super) fn check_script(&self, command: &Command) -> Result<()> {
        self.scripts.check(command).map_err(|error| error.with_command(|| command.label()))
    }

    /// Runs one command at this time.
    pub(super) fn run(&mut self, command: &Command, now: u64) -> Result<Value> {
        self.keyspace.advance_to(now);
        self.listeners.monitor(command);
        self.run_now(command)
    }

    /// Runs one command without looking at the clock, as in a script or a transaction.
    fn run_now(&mut self, command: &Command) -> Result<Value> {
        let handler = self.check(command)?;
        (handler.run)(self, Args::new(command))
            .map_err(|error| error.with_command(|| command.label()))
    }

    /// Runs commands as MULTI and EXEC do.
    pub(super) fn run_all(&mut self, commands: &[Command], now: u64) -> Result<Results> {
        for command in commands {
            self.check(command).map_err(Error::into_discarded)?;
        }
        self.keyspace.advance_to(now);
        let run = |command| {
            self.listeners.monitor(command);
            self.run_now(command)
        };
        Ok(commands.iter().map(run).collect())
    }

    /// Runs a script's native implementation, whose commands all see the same time.
    pub(super) fn run_native(
        &mut self,
        native: crate::command::NativeScript,
        read_only: bool,
        keys: &[Bytes],
        args: &[Bytes],
    ) -> Result<Value> {
        let mut call = |command: &Command| self.run_now(command);
        native(&mut NativeContext::new(&mut call, read_only), keys, args)
    }

    fn check(&self, command: &Command) -> Result<&'static Handler> {
        let name = command.name();
        let handler = (self.find)(name).ok_or_else(|| {
            Error::server(&format!("ERR unknown command '{}'", name.escape_default()))
                .with_command(|| command.label())
        })?;
        let count = command.args().len() as isize + 1;
        if count == handler.arity || (handler.arity < 0 && count >= -handler.arity) {
            Ok(handler)
        } else {
            Err(wrong_arity(name).with_command(|| command.label()))
        }
    }
}
