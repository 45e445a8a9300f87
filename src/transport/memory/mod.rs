//! The embedded engine: a Redis in this process, for tests, for development and for hosts without a server.
//!
//! It holds everything in memory, expires keys to the millisecond and returns Redis's own replies and errors.
//!
//! With the feature `lua` it runs any script and function, on native targets, in the sandbox that Redis has. [`ScriptOptions`] has
//! the limits. Without this feature, and on wasm32, a [`Script`] brings a native implementation, and one without is refused
//! before anything of its call runs.

mod args;
mod bits;
mod blocked;
mod client_names;
mod collections;
mod commands;
#[cfg(test)]
mod complexity;
mod data;
mod dialect;
mod engine;
mod eviction;
mod geo;
mod glob;
mod hyperloglog;
#[cfg(feature = "json")]
mod json;
mod keyspace;
mod libraries;
mod listeners;
#[cfg(all(feature = "lua", not(target_arch = "wasm32")))]
mod lua;
mod number;
mod options;
mod rdb;
#[cfg(all(feature = "lua", not(target_arch = "wasm32")))]
mod resp3;
#[cfg(not(target_arch = "wasm32"))]
mod saving;
mod score_tree;
mod script_kill;
mod script_options;
mod script_refusals;
mod script_runtime;
mod scripts;
mod shebang;
mod size;
#[cfg(not(target_arch = "wasm32"))]
mod snapshot;
mod sorted_set;
mod steps;
mod stream;
mod usage;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};

pub use self::dialect::Dialect;
use self::engine::{Engine, MakeRuntime, Ran};
pub use self::eviction::Eviction;
pub use self::options::MemoryOptions;
#[cfg(not(target_arch = "wasm32"))]
pub use self::options::SnapshotOptions;
use self::script_kill::RunningScript;
pub use self::script_options::ScriptOptions;
#[cfg(not(target_arch = "wasm32"))]
use self::snapshot::Saver;
#[cfg(not(target_arch = "wasm32"))]
pub use self::snapshot::SnapshotError;
use super::blocking::{blocking_in_pipeline, waits_for_replication};
use super::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, boxed, sleep, unix_millis};
use crate::{Result, Value};

/// A handle on an embedded engine. Clones share the same data; the data is gone when the last one is dropped. How much it may
/// hold is in [`MemoryOptions`]: by default 1 GiB, and 64 MiB on wasm32.
///
/// ```
/// use edgecask::{prelude::*, transport::memory::MemoryTransport};
///
/// let engine = MemoryTransport::new();
/// let client = Client::new(engine.clone());
/// let same_data = Client::new(engine);
/// ```
#[derive(Clone)]
pub struct MemoryTransport {
    engine: Arc<Mutex<Engine>>,
    running: Arc<RunningScript>,
    lua: bool,
    #[cfg(not(target_arch = "wasm32"))]
    saver: Option<Arc<Saver>>,
}

impl MemoryTransport {
    /// An empty engine with the default [`MemoryOptions`].
    pub fn new() -> Self {
        Self::with_options(&MemoryOptions::new())
    }

    /// An empty engine with these options.
    ///
    /// ```
    /// use edgecask::{prelude::*, transport::memory::{Eviction, MemoryOptions, MemoryTransport}};
    ///
    /// let options = MemoryOptions::new().max_bytes(16 << 20).eviction(Eviction::AllKeysLru);
    /// let client = Client::new(MemoryTransport::with_options(&options));
    /// ```
    pub fn with_options(options: &MemoryOptions) -> Self {
        let mut engine = Engine::new(match options.dialect {
            Dialect::Redis => commands::find,
            Dialect::Upstash => commands::find_as_upstash,
        });
        engine.set_runtime(RUNTIME);
        engine.set_limits(options.limits());
        Self::of(engine, RUNTIME.is_some())
    }

    fn of(engine: Engine, lua: bool) -> Self {
        Self {
            running: Arc::clone(engine.running()),
            engine: Arc::new(Mutex::new(engine)),
            lua,
            #[cfg(not(target_arch = "wasm32"))]
            saver: None,
        }
    }

    /// Changes the settings of scripts for all handles on this engine, so it is best called before there are others. Default:
    /// those of [`ScriptOptions::new`].
    #[must_use]
    pub fn with_script_options(mut self, options: ScriptOptions) -> Self {
        let mut engine = self.lock();
        engine.set_script_options(options);
        let lua = engine.runs_lua();
        drop(engine);
        self.lua = lua;
        self
    }

    /// Registers a script's native implementation, so that it also runs when the script is sent as text (EVAL) or by its sha
    /// (EVALSHA), as from a client of another process.
    pub fn register(&self, script: &Script) {
        self.lock().register(script);
    }

    /// Another engine with a copy of this one's current content: keys, lifetimes and scripts. Later changes to one of them
    /// are not visible in the other, and the copy has no snapshot file. The time is proportional to the number of keys.
    ///
    /// ```
    /// use edgecask::{prelude::*, transport::memory::MemoryTransport};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let engine = MemoryTransport::new();
    /// let (now, before) = (Client::new(engine.clone()), Client::new(engine.fork()));
    /// now.set("k", "v").await?;
    /// assert_eq!(before.get::<String>("k").await?, None);
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::of(self.lock().fork(), self.lua)
    }

    /// Every command that the engine runs, in no particular order.
    pub fn commands() -> impl Iterator<Item = &'static str> {
        commands::names()
    }

    /// Refuses a script that cannot run here: without Lua, a script that has no native implementation, neither of its own nor
    /// [registered](Self::register). Every call does this for all of its commands before it runs the first.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
    pub fn check(&self, command: &Command) -> Result<()> {
        // Where Lua runs, every script does, and the engine is not waited for.
        if self.lua { Ok(()) } else { self.lock().check_script(command) }
    }

    /// Runs a command that waits for data as long as there is none.
    async fn send_or_wait(&self, command: &Command) -> Result<Value> {
        self.long_script().await;
        let ran = self.lock().run_or_wait(command, unix_millis());
        let (number, reply) = match ran {
            Ran::Done(reply) => return reply,
            Ran::Waits(number, reply) => (number, reply),
        };
        // Also when the call is dropped.
        let _place = Place { transport: self, number };
        let timeout = match command.blocks_for() {
            Some(Duration::MAX) | None => boxed(std::future::pending),
            Some(time) => sleep(time),
        };
        match select(reply, timeout).await {
            Either::Left((Ok(reply), _)) => reply,
            Either::Right(((), mut reply)) => {
                // It may have come just now.
                let mut engine = self.lock();
                engine.stop_waiting(number);
                reply.try_recv().ok().flatten().unwrap_or(Ok(Value::Nil))
            }
            Either::Left((Err(_), _)) => Ok(Value::Nil),
        }
    }

    /// Waits while a long script runs, without blocking a thread, so that a thread is free for SCRIPT KILL.
    async fn long_script(&self) {
        const STEP: Duration = Duration::from_millis(1);
        while self.running.is_long() {
            sleep(STEP).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Engine> {
        // Commands check their arguments before they change anything, so a panic leaves no partial change.
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lua, where it can be had.
#[cfg(all(feature = "lua", not(target_arch = "wasm32")))]
const RUNTIME: Option<MakeRuntime> = Some(|options, running| {
    let empty = || Engine::new(commands::find);
    Box::new(lua::LuaRuntime::new(options.clone(), Arc::clone(running), empty))
});
#[cfg(not(all(feature = "lua", not(target_arch = "wasm32"))))]
const RUNTIME: Option<MakeRuntime> = None;

/// The place of a caller among those that wait.
struct Place<'a> {
    transport: &'a MemoryTransport,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.transport.lock().stop_waiting(self.number);
    }
}

impl Default for MemoryTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryTransport").finish_non_exhaustive()
    }
}

impl Transport for MemoryTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::InMemory)
            .binary_batches(true)
            .blocking(true)
            .subscriptions(true)
            .lua(self.lua)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        if command.is_blocking() {
            return boxed(|| self.send_or_wait(command));
        }
        boxed(|| async move {
            if let Some(reply) = self.running.kill_by(command) {
                return reply;
            }
            self.long_script().await;
            let mut engine = self.lock();
            engine.check_script(command)?;
            engine.run(command, unix_millis())
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            // There are no replicas to wait for, so the answer comes at once.
            let waits =
                |command: &&Command| command.is_blocking() && !waits_for_replication(command);
            if let Some(waits) = commands.iter().find(waits) {
                return Err(blocking_in_pipeline(waits));
            }
            commands.iter().try_for_each(|command| self.check(command))?;
            let mut results = Results::with_capacity(commands.len());
            for command in commands {
                results.push(match self.running.kill_by(command) {
                    Some(reply) => reply,
                    None => {
                        self.long_script().await;
                        self.lock().run(command, unix_millis())
                    }
                });
            }
            Ok(results)
        })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        boxed(|| async move {
            self.long_script().await;
            let mut engine = self.lock();
            commands.iter().try_for_each(|command| engine.check_script(command))?;
            engine.run_all(commands, unix_millis())
        })
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        boxed(|| async move { Ok(self.lock().listeners.subscribe(to)) })
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _token: &str) {}

    fn register(&self, script: &Script) {
        Self::register(self, script);
    }
}
