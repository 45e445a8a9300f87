//! The engine: checks a command's arity, and runs its handler. It gets handlers from a function, so it does not depend on them.

use bytes::Bytes;
use futures_channel::oneshot;

use super::args::{Args, wrong_arity};
use super::blocked::Blocked;
use super::eviction::{self, Limits};
use super::keyspace::Keyspace;
use super::listeners::Listeners;
use super::scripts::{NativeContext, Scripts};
use super::stream::{Stream, StreamId};
use crate::command::{Command, Script};
use crate::transport::Results;
use crate::{Error, Result, Value};

/// A command that the engine runs: its name, its arity as Redis counts it (with the name; negative: at least) and
/// what it does.
pub(super) struct Handler {
    pub(super) name: &'static str,
    pub(super) arity: isize,
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

    /// Whether the command can have so many arguments.
    pub(super) fn takes(&self, arguments: usize) -> bool {
        let count = arguments as isize + 1;
        count == self.arity || (self.arity < 0 && count >= -self.arity)
    }
}

/// Finds the handler of a command.
pub(super) type Find = fn(&str) -> Option<&'static Handler>;

pub(super) struct Engine {
    find: Find,
    pub(super) keyspace: Keyspace,
    pub(super) listeners: Listeners,
    pub(super) scripts: Scripts,
    blocked: Blocked,
    limits: Limits,
    /// It holds more than it may, and can evict nothing.
    is_full: bool,
    evicted: u64,
}

/// What became of a command that may wait.
pub(super) enum Ran {
    Done(Result<Value>),
    /// It found nothing. The number of the caller among those that wait, and where the reply comes.
    Waits(u64, oneshot::Receiver<Result<Value>>),
}

impl Engine {
    pub(super) fn new(find: Find) -> Self {
        Self {
            find,
            keyspace: Keyspace::new(),
            listeners: Listeners::default(),
            scripts: Scripts::default(),
            blocked: Blocked::default(),
            limits: Limits::default(),
            is_full: false,
            evicted: 0,
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Sets what it may hold. Keys are evicted when the next command runs.
    pub(super) fn set_limits(&mut self, limits: Limits) {
        if limits.eviction.counts_uses() != self.limits.eviction.counts_uses() {
            self.keyspace.count_uses(limits.eviction.counts_uses());
        }
        self.limits = limits;
    }

    /// How many keys were evicted.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Another engine with the same keys and scripts, and without subscribers and callers that wait.
    pub(super) fn fork(&self) -> Self {
        let mut keyspace = self.keyspace.clone();
        keyspace.watched.clear();
        Self {
            find: self.find,
            keyspace,
            listeners: Listeners::default(),
            scripts: self.scripts.clone(),
            blocked: Blocked::default(),
            limits: self.limits,
            is_full: false,
            evicted: 0,
        }
    }

    pub(super) fn register(&mut self, script: &Script) {
        self.scripts.register(script.source().as_bytes(), script.native());
    }

    /// Refuses a script without a native implementation, as [`MemoryTransport::check`](super::MemoryTransport::check) does.
    pub(super) fn check_script(&self, command: &Command) -> Result<()> {
        self.scripts.check(command).map_err(|error| error.with_command(|| command.label()))
    }

    /// Looks at the clock, and evicts what is too much.
    fn begin(&mut self, now: u64) {
        self.keyspace.advance_to(now);
        let (has_room, evicted) = eviction::make_room(&mut self.keyspace, self.limits);
        self.is_full = !has_room;
        self.evicted += evicted;
    }

    /// Runs one command at this time.
    pub(super) fn run(&mut self, command: &Command, now: u64) -> Result<Value> {
        self.begin(now);
        self.listeners.monitor(command);
        let reply = self.run_now(command);
        self.serve_blocked();
        reply
    }

    /// Runs a command that waits if it finds nothing.
    pub(super) fn run_or_wait(&mut self, command: &Command, now: u64) -> Ran {
        match self.run(command, now) {
            Ok(reply) if reply.is_nil() => {
                let command = self.as_it_waits(command);
                let key = |at| command.get(at).map(Bytes::copy_from_slice);
                let keys = command.key_positions().into_iter().filter_map(key).collect();
                let (number, reply) = self.blocked.add(command, keys, &mut self.keyspace.watched);
                Ran::Waits(number, reply)
            }
            reply => Ran::Done(reply),
        }
    }

    /// The command as it goes on waiting: `$` stands for the last id of a stream at the time when the wait began.
    fn as_it_waits(&self, command: &Command) -> Command {
        if command.name() != "XREAD" {
            return command.clone();
        }
        let keys = command.key_positions();
        let count = keys.len();
        let first_id = keys.first().map_or(usize::MAX, |first| first + count);
        let last_id = |at: usize| {
            let key = command.get(at - count).unwrap_or_default();
            let stream = self.keyspace.read::<Stream>(key).ok().flatten();
            stream.map_or(StreamId::MIN, |stream| stream.last_id).to_string()
        };
        let args = command.args().enumerate().map(|(at, arg)| match arg {
            b"$" | b"+" if at >= first_id => last_id(at).into_bytes(),
            arg => arg.to_vec(),
        });
        Command::new("XREAD").args_from(args)
    }

    /// What runs a command of this name.
    pub(super) fn handler(&self, name: &str) -> Option<&'static Handler> {
        (self.find)(name)
    }

    /// How many callers wait.
    pub(super) fn blocked(&self) -> usize {
        self.blocked.len()
    }

    /// Takes a caller out of the lines of those that wait.
    pub(super) fn stop_waiting(&mut self, number: u64) {
        self.blocked.remove(number, &mut self.keyspace.watched);
    }

    /// Runs the commands of those that wait for keys that have changed, in the order in which they came.
    fn serve_blocked(&mut self) {
        while let Some(key) = self.keyspace.touched.pop_first() {
            for number in self.blocked.line(&key) {
                let Some(command) = self.blocked.command(number).cloned() else { continue };
                let touched = std::mem::take(&mut self.keyspace.touched);
                let reply = self.run_now(&command);
                // A key of another type is none that it waits for.
                let is_wrong_type = |error: &Error| error.code() == Some("WRONGTYPE");
                if reply.as_ref().map_or_else(is_wrong_type, Value::is_nil) {
                    // It has looked, and changed nothing.
                    self.keyspace.touched = touched;
                } else {
                    self.keyspace.touched.extend(touched);
                    self.blocked.answer(number, reply, &mut self.keyspace.watched);
                }
            }
        }
    }

    /// Runs one command without looking at the clock, as in a script or a transaction.
    fn run_now(&mut self, command: &Command) -> Result<Value> {
        let handler = self.check(command)?;
        if self.is_full && eviction::grows(handler.name) {
            return Err(Error::server("OOM command not allowed when used memory > 'maxmemory'.")
                .with_command(|| command.label()));
        }
        (handler.run)(self, Args::new(command))
            .map_err(|error| error.with_command(|| command.label()))
    }

    /// Runs commands as MULTI and EXEC do.
    pub(super) fn run_all(&mut self, commands: &[Command], now: u64) -> Result<Results> {
        for command in commands {
            self.check(command).map_err(Error::into_discarded)?;
        }
        self.begin(now);
        let run = |command| {
            self.listeners.monitor(command);
            self.run_now(command)
        };
        let replies = commands.iter().map(run).collect();
        self.serve_blocked();
        Ok(replies)
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
        match handler.takes(command.args().len()) {
            true => Ok(handler),
            false => Err(wrong_arity(name).with_command(|| command.label())),
        }
    }
}
