//! PUC Lua 5.1, as Redis embeds it, behind the engine's trait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mlua::{Function, LuaString, Table, Value as LuaValue};

use super::convert::{Names, from_lua, one_line};
use super::raised::Raised;
use super::random::Random;
use super::running::{Running, Shared, lock};
use super::sandbox::Sandbox;
use super::watchdog::Watchdog;
use crate::transport::memory::engine::Engine;
use crate::transport::memory::script_kill::RunningScript;
use crate::transport::memory::script_options::ScriptOptions;
use crate::transport::memory::script_runtime::{Call, Code, Registered, ScriptRuntime};
use crate::{Error, ErrorKind, Result, Value};

/// Lua for one engine. The state is made when the first script comes.
pub(in crate::transport::memory) struct LuaRuntime {
    options: ScriptOptions,
    running: Arc<RunningScript>,
    empty: fn() -> Engine,
    machine: Option<Machine>,
}

/// A state of Lua, with what it has compiled.
struct Machine {
    sandbox: Sandbox,
    names: Names,
    shared: Shared,
    watchdog: Watchdog,
    scripts: HashMap<String, Function>,
    /// The functions of each library, by name.
    libraries: HashMap<String, HashMap<String, Function>>,
}

impl LuaRuntime {
    /// `empty` makes an engine that replaces the real one while a script holds it. `running` shows the script to other
    /// callers.
    pub(in crate::transport::memory) fn new(
        options: ScriptOptions,
        running: Arc<RunningScript>,
        empty: fn() -> Engine,
    ) -> Self {
        Self { options, running, empty, machine: None }
    }

    fn machine(&mut self) -> Result<&mut Machine> {
        if self.machine.is_none() {
            let machine = Machine::new(&self.options, &self.running, (self.empty)());
            self.machine = Some(machine.map_err(|error| broken(&error))?);
        }
        self.machine.as_mut().ok_or_else(|| broken(&"no state"))
    }

    /// Ends a state that is short of memory. Everything is compiled again in the next one.
    fn renew_if_full(&mut self) {
        let Some(machine) = &self.machine else { return };
        let lua = &machine.sandbox.lua;
        let is_full = || lua.used_memory() > self.options.memory_limit() / 2;
        if is_full() && (lua.gc_collect().is_err() || is_full()) {
            self.machine = None;
        }
    }
}

fn broken(error: &impl ToString) -> Error {
    Error::new(ErrorKind::Unsupported, format!("Lua cannot run: {}", error.to_string()))
}

impl Machine {
    fn new(
        options: &ScriptOptions,
        of_others: &Arc<RunningScript>,
        empty: Engine,
    ) -> mlua::Result<Self> {
        let running = Running {
            engine: empty,
            is_running: false,
            read_only: false,
            resp3: false,
            registering: None,
        };
        let shared = Arc::new(Mutex::new(running));
        let random = Random::new();
        let watchdog = Watchdog::new(options.time_limit(), of_others);
        let sandbox = Sandbox::new(&shared, &random, &watchdog)?;
        watchdog.watch(&sandbox.lua)?;
        sandbox.lua.set_app_data(watchdog.clone());
        let names = Names::new(&sandbox.lua)?;
        sandbox.lua.set_memory_limit(options.memory_limit())?;
        Ok(Self {
            sandbox,
            names,
            shared,
            watchdog,
            scripts: HashMap::new(),
            libraries: HashMap::new(),
        })
    }

    fn compiled(&mut self, script: Code<'_>) -> Result<Function> {
        if let Some(function) = self.scripts.get(script.name) {
            return Ok(function.clone());
        }
        let function = self
            .sandbox
            .compile(script.text, "@user_script")
            .map_err(|error| syntax_error("ERR Error compiling script (new function)", &error))?;
        self.scripts.insert(script.name.to_owned(), function.clone());
        Ok(function)
    }

    /// Loads a library, and returns what it registers.
    fn load(&mut self, library: Code<'_>) -> Result<Vec<Registered>> {
        let code = self
            .sandbox
            .compile(library.text, "@user_function")
            .map_err(|error| syntax_error("ERR Error compiling function", &error))?;
        let failed = |error: &mlua::Error| {
            let text = format!("ERR Error registering functions: {}", Raised::of(error));
            Error::server(&one_line(&text))
        };
        code.set_environment(self.sandbox.library_front.clone()).map_err(|error| failed(&error))?;
        lock(&self.shared).registering = Some(Vec::new());
        self.watchdog.start();
        let outcome: mlua::Result<(bool, LuaValue)> = self.sandbox.load_library.call(code);
        let watched = match self.watchdog.stop() {
            Some(_) => self.watchdog.watch(&self.sandbox.lua),
            None => Ok(()),
        };
        let registered = lock(&self.shared).registering.take().unwrap_or_default();
        watched.map_err(|error| failed(&error))?;
        let problem = match outcome.map_err(|error| failed(&error))? {
            (true, _) => {
                let (described, functions): (Vec<_>, Vec<_>) = registered
                    .into_iter()
                    .map(|(described, function)| (described.clone(), (described.name, function)))
                    .unzip();
                let functions = functions.into_iter().collect();
                self.libraries.insert(library.name.to_owned(), functions);
                return Ok(described);
            }
            (false, LuaValue::Table(problem)) => problem.raw_get("err"),
            (false, other) => Ok(other),
        };
        let text = problem.and_then(|text| text.to_string()).unwrap_or_default();
        Err(Error::server(&one_line(&format!("ERR Error registering functions: {text}"))))
    }

    fn set_inputs(&self, call: Call<'_>) -> mlua::Result<()> {
        self.sandbox.globals.raw_set("KEYS", self.sequence(call.keys)?)?;
        self.sandbox.globals.raw_set("ARGV", self.sequence(call.args)?)
    }

    fn sequence(&self, items: &[Bytes]) -> mlua::Result<Table> {
        let items = items.iter().map(|item| LuaString::wrap(item.clone()));
        self.sandbox.lua.create_sequence_from(items)
    }

    /// Runs code while it has the engine.
    fn execute(
        &self,
        host: &mut Engine,
        read_only: bool,
        name: Name<'_>,
        code: impl FnOnce(&Self) -> mlua::Result<(bool, LuaValue)>,
    ) -> Result<Value> {
        let lent = Lent::new(host, &self.shared, read_only);
        let seen = self.watchdog.running().begin(matches!(name, Name::Function(_)));
        self.watchdog.start();
        let outcome = code(self);
        let why_over = self.watchdog.stop();
        drop(seen);
        let (Name::Script(name) | Name::Function(name)) = name;
        if why_over.is_some() {
            // Until now the clock may have been checked after each instruction.
            self.watchdog.watch(&self.sandbox.lua).map_err(|error| broken(&error))?;
        }
        drop(lent);
        let problem = match outcome {
            Ok((true, value)) => return from_lua(&self.names, &value),
            _ if let Some(why) = why_over => format!("{why} script: {name}."),
            Ok((false, LuaValue::Table(problem))) => {
                let field = |field: &str| {
                    let value = problem.raw_get(field).unwrap_or(LuaValue::Nil);
                    self.sandbox.lua.coerce_string(value).ok().flatten()
                };
                let text = field("err")
                    .map_or_else(|| "ERR unknown error".to_owned(), |text| text.to_string_lossy());
                match (field("source"), field("line")) {
                    (Some(source), Some(line)) => {
                        let (source, line) = (source.to_string_lossy(), line.to_string_lossy());
                        format!("{text} script: {name}, on {source}:{line}.")
                    }
                    _ => text,
                }
            }
            Ok((false, LuaValue::String(text))) => not_run(name, &text.to_string_lossy()),
            Ok((false, LuaValue::Error(error))) => not_run(name, &Raised::of(&error).to_string()),
            Ok((false, _)) => not_run(name, "execution failure"),
            Err(error) => not_run(name, &Raised::of(&error).to_string()),
        };
        Err(Error::server(&one_line(&problem)))
    }
}

/// The name of what runs: the sha of a script, or the name of a function.
#[derive(Clone, Copy)]
enum Name<'a> {
    Script(&'a str),
    Function(&'a str),
}

fn syntax_error(what: &str, error: &mlua::Error) -> Error {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        other => Raised::of(other).to_string(),
    };
    Error::server(&one_line(&format!("{what}: {text}")))
}

fn not_run(name: &str, text: &str) -> String {
    format!("ERR Error running script {name}, {text}")
}

/// The engine in the hands of a script. It goes back when this is dropped, also by a panic.
struct Lent<'a> {
    host: &'a mut Engine,
    shared: &'a Shared,
}

impl<'a> Lent<'a> {
    fn new(host: &'a mut Engine, shared: &'a Shared, read_only: bool) -> Self {
        let mut running = lock(shared);
        std::mem::swap(&mut running.engine, host);
        (running.is_running, running.read_only, running.resp3) = (true, read_only, false);
        drop(running);
        Self { host, shared }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut running = lock(self.shared);
        std::mem::swap(&mut running.engine, self.host);
        running.is_running = false;
    }
}

impl ScriptRuntime<Engine> for LuaRuntime {
    fn compile(&mut self, script: Code<'_>) -> Result<()> {
        self.machine()?.compiled(script).map(drop)
    }

    fn run(&mut self, host: &mut Engine, script: Code<'_>, call: Call<'_>) -> Result<Value> {
        let machine = self.machine()?;
        let function = machine.compiled(script)?;
        let reply = match machine.set_inputs(call) {
            Ok(()) => machine.execute(host, call.read_only, Name::Script(script.name), |machine| {
                machine.sandbox.run.call(function)
            }),
            Err(error) => Err(Error::server(&format!("ERR {}", Raised::of(&error)))),
        };
        self.renew_if_full();
        reply
    }

    fn load_library(&mut self, library: Code<'_>) -> Result<Vec<Registered>> {
        let registered = self.machine()?.load(library);
        self.renew_if_full();
        registered
    }

    fn call_function(
        &mut self,
        host: &mut Engine,
        library: Code<'_>,
        function: &str,
        call: Call<'_>,
    ) -> Result<Value> {
        let machine = self.machine()?;
        if !machine.libraries.contains_key(library.name) {
            machine.load(library)?;
        }
        let found = machine.libraries.get(library.name).and_then(|library| library.get(function));
        let Some(callback) = found.cloned() else {
            return Err(Error::server("ERR Function not found"));
        };
        let reply = match (machine.sequence(call.keys), machine.sequence(call.args)) {
            (Ok(keys), Ok(args)) => {
                machine.execute(host, call.read_only, Name::Function(function), |machine| {
                    machine.sandbox.call_function.call((callback, keys, args))
                })
            }
            (Err(error), _) | (_, Err(error)) => {
                Err(Error::server(&format!("ERR {}", Raised::of(&error))))
            }
        };
        self.renew_if_full();
        reply
    }

    fn forget_scripts(&mut self) {
        if let Some(machine) = &mut self.machine {
            machine.scripts.clear();
        }
    }

    fn forget_library(&mut self, name: &str) {
        if let Some(machine) = &mut self.machine {
            machine.libraries.remove(name);
        }
    }
}
