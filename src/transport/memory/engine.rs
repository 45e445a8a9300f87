//! The engine: checks a command's arity, and runs its handler. It gets handlers from a function, so it does not depend on them.

use std::sync::Arc;

use bytes::Bytes;
use futures_channel::oneshot;

use super::args::{Args, wrong_arity};
use super::blocked::Blocked;
use super::client_names::ClientNames;
use super::eviction::{self, Limits};
use super::keyspace::Keyspace;
use super::libraries::Libraries;
use super::listeners::Listeners;
use super::script_kill::RunningScript;
use super::script_options::ScriptOptions;
use super::script_refusals::is_refused_in_scripts;
use super::script_runtime::ScriptRuntime;
use super::scripts::{NativeContext, Scripts, without_native};
#[cfg(not(target_arch = "wasm32"))]
use super::snapshot::Snapshots;
use super::stream::{Stream, StreamId};
use crate::command::{Access, Command, Script};
use crate::transport::Results;
use crate::{Error, ErrorKind, Result, Value};

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

    /// Whether the command can have this many arguments.
    pub(super) fn takes(&self, arguments: usize) -> bool {
        let count = arguments as isize + 1;
        count == self.arity || (self.arity < 0 && count >= -self.arity)
    }
}

/// Finds the handler of a command.
pub(super) type Find = fn(&str) -> Option<&'static Handler>;

/// Makes the language of an engine's scripts.
pub(super) type MakeRuntime =
    fn(&ScriptOptions, &Arc<RunningScript>) -> Box<dyn ScriptRuntime<Engine>>;

pub(super) struct Engine {
    find: Find,
    pub(super) keyspace: Keyspace,
    pub(super) listeners: Listeners,
    pub(super) scripts: Scripts,
    pub(super) libraries: Libraries,
    pub(super) client: ClientNames,
    script_options: ScriptOptions,
    make_runtime: Option<MakeRuntime>,
    runtime: Option<Box<dyn ScriptRuntime<Self>>>,
    blocked: Blocked,
    limits: Limits,
    /// It holds more than it may, and can evict nothing.
    is_full: bool,
    /// Commands of the running script may need more memory although it is full.
    script_may_grow: bool,
    evicted: u64,
    /// The bytes that were in use after the last eviction.
    used_before: usize,
    running: Arc<RunningScript>,
    /// How the content is saved, if it is.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) snapshots: Option<Snapshots>,
}

/// The result of a command that may wait.
pub(super) enum Ran {
    Done(Result<Value>),
    /// It found nothing: the number of the caller among those that wait, and the receiver of its reply.
    Waits(u64, oneshot::Receiver<Result<Value>>),
}

impl Engine {
    pub(super) fn new(find: Find) -> Self {
        Self {
            find,
            keyspace: Keyspace::new(),
            listeners: Listeners::default(),
            scripts: Scripts::default(),
            libraries: Libraries::default(),
            client: ClientNames::default(),
            script_options: ScriptOptions::default(),
            make_runtime: None,
            runtime: None,
            blocked: Blocked::default(),
            limits: Limits::default(),
            is_full: false,
            script_may_grow: false,
            evicted: 0,
            used_before: usize::MAX,
            running: Arc::default(),
            #[cfg(not(target_arch = "wasm32"))]
            snapshots: None,
        }
    }

    /// Sets the language of scripts, which is made when the first script comes.
    pub(super) fn set_runtime(&mut self, make: Option<MakeRuntime>) {
        self.make_runtime = make;
        self.runtime = None;
    }

    pub(super) fn set_script_options(&mut self, options: ScriptOptions) {
        self.script_options = options;
        self.runtime = None;
    }

    pub(super) fn runs_lua(&self) -> bool {
        self.make_runtime.is_some() && self.script_options.runs_lua()
    }

    /// Whether native implementations run although Lua does.
    pub(super) fn prefers_native(&self) -> bool {
        self.script_options.prefers_native()
    }

    /// Hands the engine to the language of scripts.
    pub(super) fn with_runtime<R>(
        &mut self,
        act: impl FnOnce(&mut dyn ScriptRuntime<Self>, &mut Self) -> Result<R>,
    ) -> Result<R> {
        let mut runtime = match (self.runtime.take(), self.make_runtime) {
            (Some(runtime), _) => runtime,
            (None, Some(make)) if self.script_options.runs_lua() => {
                make(&self.script_options, &self.running)
            }
            (None, _) => return Err(without_native()),
        };
        let result = act(&mut *runtime, self);
        self.runtime = Some(runtime);
        result
    }

    /// Drops all compiled scripts.
    pub(super) fn forget_scripts(&mut self) {
        if let Some(runtime) = &mut self.runtime {
            runtime.forget_scripts();
        }
    }

    /// Drops a compiled library.
    pub(super) fn forget_library(&mut self, name: &str) {
        if let Some(runtime) = &mut self.runtime {
            runtime.forget_library(name);
        }
    }

    /// Drops the state of the language, with all that it has compiled.
    pub(super) fn forget_libraries(&mut self) {
        self.runtime = None;
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

    /// The running script, for callers that do not hold the engine.
    pub(super) fn running(&self) -> &Arc<RunningScript> {
        &self.running
    }

    /// How many keys were evicted.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Another engine with the same keys and scripts, and without subscribers and callers that wait.
    pub(super) fn fork(&self) -> Self {
        Self {
            find: self.find,
            keyspace: self.keyspace.fork(),
            listeners: Listeners::default(),
            scripts: self.scripts.clone(),
            libraries: self.libraries.clone(),
            client: ClientNames::default(),
            script_options: self.script_options.clone(),
            make_runtime: self.make_runtime,
            runtime: None,
            blocked: Blocked::default(),
            limits: self.limits,
            is_full: false,
            script_may_grow: false,
            evicted: 0,
            used_before: usize::MAX,
            running: Arc::default(),
            #[cfg(not(target_arch = "wasm32"))]
            snapshots: None,
        }
    }

    pub(super) fn register(&mut self, script: &Script) {
        self.scripts.register(script);
    }

    /// Refuses a script that cannot run, as [`MemoryTransport::check`](super::MemoryTransport::check) does.
    pub(super) fn check_script(&self, command: &Command) -> Result<()> {
        if self.runs_lua() {
            return Ok(());
        }
        self.scripts.check(command).map_err(|error| error.with_command(|| command.label()))
    }

    /// Sets the time, as before a command.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn look_at_clock(&mut self, now: u64) {
        self.keyspace.advance_to(now);
    }

    /// Sets the time, and evicts keys if there is too much.
    fn begin(&mut self, now: u64) {
        self.keyspace.advance_to(now);
        let (has_room, evicted) =
            eviction::make_room(&mut self.keyspace, self.limits, self.used_before);
        self.used_before = self.keyspace.used_bytes();
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

    /// The handler of a command.
    pub(super) fn handler(&self, name: &str) -> Option<&'static Handler> {
        (self.find)(name)
    }

    /// How many callers wait.
    pub(super) fn blocked(&self) -> usize {
        self.blocked.len()
    }

    /// Removes a caller from the queues of those that wait.
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
        if (self.is_full || self.is_overrun()) && eviction::grows(command) {
            return Err(eviction::refused().with_command(|| command.label()));
        }
        self.carry_out(handler, command)
    }

    fn carry_out(&mut self, handler: &Handler, command: &Command) -> Result<Value> {
        if self.keyspace.has_overdue_fields() {
            for key in command.key_positions().into_iter().filter_map(|at| command.get(at)) {
                self.keyspace.settle(key);
            }
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
        if self.is_full
            && let Some(command) = commands.iter().find(|command| eviction::grows(command))
        {
            let error = eviction::refused().with_command(|| command.label());
            return Err(error.into_discarded());
        }
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
        let mut call = |command: &Command| self.call_from_script(command, read_only);
        native(&mut NativeContext::new(&mut call), keys, args)
    }

    /// Begins a script or a function. If it declares whether it writes, and may write (`declares_writes`), it does not run at all
    /// while the engine is full, unless `allow_oom`. If it declares nothing, its commands that need memory are refused until it has
    /// written something, as in Redis.
    pub(super) fn begin_script(&mut self, declares_writes: bool, allow_oom: bool) -> Result<()> {
        if self.is_full && declares_writes && !allow_oom {
            return Err(eviction::refused());
        }
        self.script_may_grow = !self.is_full || allow_oom;
        Ok(())
    }

    /// Whether the running script or transaction has written far more than there may be. Redis would let it go on.
    fn is_overrun(&self) -> bool {
        self.limits.overrun().is_some_and(|most| self.keyspace.used_bytes() > most)
    }

    /// Runs a command for a script.
    pub(super) fn call_from_script(&mut self, command: &Command, read_only: bool) -> Result<Value> {
        let refuse = |text| Err(Error::server(text).with_command(|| command.label()));
        let Some(handler) = (self.find)(command.name()) else {
            if needs_json(command.name()) {
                return Err(without_json().with_command(|| command.label()));
            }
            return match is_refused_in_scripts(command.name()) {
                true => refuse("ERR This Redis command is not allowed from script"),
                false => refuse("ERR Unknown Redis command called from script"),
            };
        };
        if !handler.takes(command.args().len()) {
            return refuse("ERR Wrong number of args calling Redis command from script");
        }
        if is_refused_in_scripts(command.name()) {
            return refuse("ERR This Redis command is not allowed from script");
        }
        if command.info().access == Access::Write {
            if read_only {
                return refuse("ERR Write commands are not allowed from read-only scripts.");
            }
            if !self.running.may_write() {
                return refuse(RunningScript::KILLED);
            }
        }
        if (!self.script_may_grow || self.is_overrun()) && eviction::grows(command) {
            return Err(eviction::refused().with_command(|| command.label()));
        }
        self.script_may_grow |= command.info().access == Access::Write;
        self.carry_out(handler, command)
    }

    fn check(&self, command: &Command) -> Result<&'static Handler> {
        let name = command.name();
        let handler = (self.find)(name).ok_or_else(|| {
            let error = match needs_json(name) {
                true => without_json(),
                false => Error::server(&format!("ERR unknown command '{}'", name.escape_default())),
            };
            error.with_command(|| command.label())
        })?;
        match handler.takes(command.args().len()) {
            true => Ok(handler),
            false => Err(wrong_arity(name).with_command(|| command.label())),
        }
    }
}

/// Whether a command is one of those that this build leaves out.
fn needs_json(name: &str) -> bool {
    cfg!(not(feature = "json")) && name.starts_with("JSON.")
}

fn without_json() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "the embedded engine was built without JSON documents: turn on the feature json",
    )
}
