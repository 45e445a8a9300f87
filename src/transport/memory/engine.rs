//! The engine: finds a command's handler, checks its arity, runs it.

use std::collections::HashMap;
use std::sync::OnceLock;

use bytes::Bytes;

use super::args::Args;
use super::keyspace::Keyspace;
use super::pubsub::Listeners;
use super::scripting::{Scripts, TwinContext};
use super::{hashes, keys, lists, pubsub, scripting, server, sets, sorted_sets, strings};
use crate::command::{Command, Script};
use crate::transport::Results;
use crate::{Error, Result, Value};

/// A command that the engine runs: its name, its arity as Redis counts it (with the name; negative: at least) and
/// what it does.
pub(super) struct Handler {
    name: &'static str,
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

const FAMILIES: [&[Handler]; 9] = [
    strings::HANDLERS,
    keys::HANDLERS,
    hashes::HANDLERS,
    lists::HANDLERS,
    sets::HANDLERS,
    sorted_sets::HANDLERS,
    pubsub::HANDLERS,
    scripting::HANDLERS,
    server::HANDLERS,
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES.into_iter().flatten().map(|handler| handler.name)
}

fn find(name: &str) -> Option<&'static Handler> {
    static INDEX: OnceLock<HashMap<&str, &Handler>> = OnceLock::new();
    INDEX
        .get_or_init(|| {
            FAMILIES.into_iter().flatten().map(|handler| (handler.name, handler)).collect()
        })
        .get(name)
        .copied()
}

pub(super) struct Engine {
    pub(super) keyspace: Keyspace,
    pub(super) listeners: Listeners,
    pub(super) scripts: Scripts,
}

impl Engine {
    pub(super) fn new() -> Self {
        Self {
            keyspace: Keyspace::new(),
            listeners: Listeners::default(),
            scripts: Scripts::default(),
        }
    }

    /// Another engine with the same keys and scripts, to which nobody listens.
    pub(super) fn fork(&self) -> Self {
        Self {
            keyspace: self.keyspace.clone(),
            listeners: Listeners::default(),
            scripts: self.scripts.clone(),
        }
    }

    pub(super) fn register(&mut self, script: &Script) {
        self.scripts.register(script.source().as_bytes(), script.twin());
    }

    /// Refuses a script without a twin, as [`MemoryTransport::check`](super::MemoryTransport::check) does.
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
        let handler = check(command)?;
        (handler.run)(self, Args::new(command))
            .map_err(|error| error.with_command(|| command.label()))
    }

    /// Runs commands as MULTI and EXEC do.
    pub(super) fn run_all(&mut self, commands: &[Command], now: u64) -> Result<Results> {
        for command in commands {
            check(command).map_err(Error::into_discarded)?;
        }
        self.keyspace.advance_to(now);
        let run = |command| {
            self.listeners.monitor(command);
            self.run_now(command)
        };
        Ok(commands.iter().map(run).collect())
    }

    /// Runs a script's twin, whose commands all see the same time.
    pub(super) fn run_twin(
        &mut self,
        twin: crate::command::Twin,
        read_only: bool,
        keys: &[Bytes],
        args: &[Bytes],
    ) -> Result<Value> {
        let mut call = |command: &Command| self.run_now(command);
        twin(&mut TwinContext::new(&mut call, read_only), keys, args)
    }
}

fn check(command: &Command) -> Result<&'static Handler> {
    let name = command.name();
    let handler = find(name).ok_or_else(|| {
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

pub(super) fn wrong_arity(name: &str) -> Error {
    Error::server(&format!(
        "ERR wrong number of arguments for '{}' command",
        name.to_ascii_lowercase()
    ))
}
