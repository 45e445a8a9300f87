//! The end of scripts that run too long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Function, HookTriggers, Lua, VmState};

use super::raised::Raised;

/// How many instructions of Lua run between two looks at the clock.
const STEP: u32 = 10_000;

/// When the running script has to end.
#[derive(Clone)]
pub(super) struct Watchdog {
    limit: Duration,
    until: Arc<Mutex<Option<Instant>>>,
}

impl Watchdog {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, until: Arc::default() }
    }

    /// Looks at the clock after every [`STEP`] instructions of this state.
    pub(super) fn watch(&self, lua: &Lua) -> mlua::Result<()> {
        self.look_every(lua, STEP)
    }

    fn look_every(&self, lua: &Lua, instructions: u32) -> mlua::Result<()> {
        let triggers = HookTriggers::new().every_nth_instruction(instructions);
        let watchdog = self.clone();
        lua.set_global_hook(triggers, move |lua, _| {
            if !watchdog.is_over() {
                return Ok(VmState::Continue);
            }
            // A script may catch the error: then each further instruction throws it again.
            if instructions != 1 {
                watchdog.look_every(lua, 1)?;
            }
            Err(Raised::reply(&watchdog.message()))
        })
    }

    pub(super) fn start(&self) {
        *self.until() = Instant::now().checked_add(self.limit);
    }

    /// Whether the time was used up.
    pub(super) fn stop(&self) -> bool {
        let over = self.is_over();
        *self.until() = None;
        over
    }

    /// The error of a script that has run too long.
    pub(super) fn message(&self) -> String {
        format!("ERR Script exceeded the time limit of {} ms", self.limit.as_millis())
    }

    /// `host.is_over`: whether the time is used up.
    pub(super) fn is_over_function(&self, lua: &Lua) -> mlua::Result<Function> {
        let watchdog = self.clone();
        lua.create_function(move |_, ()| Ok(watchdog.is_over()))
    }

    /// Whether the time is used up.
    pub(super) fn is_over(&self) -> bool {
        self.until().is_some_and(|until| Instant::now() >= until)
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
