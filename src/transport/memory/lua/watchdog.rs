//! The end of scripts that run too long.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlua::{Function, HookTriggers, Lua, VmState};

use super::raised::Raised;
use crate::transport::memory::script_kill::RunningScript;

/// How many instructions of Lua run between two looks at the clock.
const STEP: u32 = 10_000;

/// When the running script has to end.
#[derive(Clone)]
pub(super) struct Watchdog {
    limit: Duration,
    until: Arc<Mutex<Option<Instant>>>,
    running: Arc<RunningScript>,
}

impl Watchdog {
    /// `running` shows the script to other callers, which may kill it.
    pub(super) fn new(limit: Duration, running: &Arc<RunningScript>) -> Self {
        Self { limit, until: Arc::default(), running: Arc::clone(running) }
    }

    /// The running script, as other callers see it.
    pub(super) fn running(&self) -> &RunningScript {
        &self.running
    }

    /// Looks at the clock after every [`STEP`] instructions of this state.
    pub(super) fn watch(&self, lua: &Lua) -> mlua::Result<()> {
        self.look_every(lua, STEP)
    }

    fn look_every(&self, lua: &Lua, instructions: u32) -> mlua::Result<()> {
        let triggers = HookTriggers::new().every_nth_instruction(instructions);
        let watchdog = self.clone();
        lua.set_global_hook(triggers, move |lua, _| {
            watchdog.running.note_long();
            let Some(why) = watchdog.why_over() else {
                return Ok(VmState::Continue);
            };
            // A script may catch the error: then each further instruction throws it again.
            if instructions != 1 {
                watchdog.look_every(lua, 1)?;
            }
            Err(Raised::reply(&why))
        })
    }

    pub(super) fn start(&self) {
        *self.until() = Instant::now().checked_add(self.limit);
    }

    /// Why the script had to end, if it had to.
    pub(super) fn stop(&self) -> Option<String> {
        let why = self.why_over();
        *self.until() = None;
        why
    }

    /// `host.is_over`: whether the script has to end.
    pub(super) fn is_over_function(&self, lua: &Lua) -> mlua::Result<Function> {
        let watchdog = self.clone();
        lua.create_function(move |_, ()| Ok(watchdog.why_over().is_some()))
    }

    /// The error of a script that has run too long or was killed.
    pub(super) fn why_over(&self) -> Option<String> {
        let until = (*self.until())?;
        if self.running.is_killed() {
            return Some(RunningScript::KILLED.to_owned());
        }
        (Instant::now() >= until)
            .then(|| format!("ERR Script exceeded the time limit of {} ms", self.limit.as_millis()))
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
