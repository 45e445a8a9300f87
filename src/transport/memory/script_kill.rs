//! The running script, as callers see it that want to end it: they do not hold the engine, because the script does.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::command::Command;
use crate::{Error, Result, Value};

/// What runs, in bits.
const RUNS: u8 = 1;
const IS_FUNCTION: u8 = 2;
const HAS_WRITTEN: u8 = 4;
const IS_KILLED: u8 = 8;
const IS_LONG: u8 = 16;

/// The script or function that runs, if one does.
#[derive(Debug, Default)]
pub(super) struct RunningScript(AtomicU8);

impl RunningScript {
    /// The text of the error with which a killed script ends.
    pub(super) const KILLED: &'static str = "ERR Script killed by user with SCRIPT KILL...";

    /// A script, or a function of a library, begins. It ends when the result is dropped.
    #[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
    pub(super) fn begin(&self, is_function: bool) -> Seen<'_> {
        self.0.store(RUNS | if is_function { IS_FUNCTION } else { 0 }, Ordering::SeqCst);
        Seen(self)
    }

    /// Records that it is about to write. Not if it was killed.
    pub(super) fn may_write(&self) -> bool {
        let state = self.0.load(Ordering::SeqCst);
        match state & RUNS == 0 || state & HAS_WRITTEN != 0 {
            true => true,
            false => self.0.fetch_or(HAS_WRITTEN, Ordering::SeqCst) & IS_KILLED == 0,
        }
    }

    /// Records that it runs for longer than others should block their threads for it.
    #[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
    pub(super) fn note_long(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
            (state & RUNS != 0).then_some(state | IS_LONG)
        });
    }

    pub(super) fn is_long(&self) -> bool {
        self.0.load(Ordering::SeqCst) & IS_LONG != 0
    }

    #[cfg_attr(not(all(feature = "lua", not(target_arch = "wasm32"))), expect(dead_code))]
    pub(super) fn is_killed(&self) -> bool {
        self.0.load(Ordering::SeqCst) & IS_KILLED != 0
    }

    /// Carries out SCRIPT KILL and FUNCTION KILL; `None` for any other command.
    pub(super) fn kill_by(&self, command: &Command) -> Option<Result<Value>> {
        let of_function = match command.name() {
            "SCRIPT" => false,
            "FUNCTION" => true,
            _ => return None,
        };
        let is_kill = command.get(0).is_some_and(|word| word.eq_ignore_ascii_case(b"KILL"));
        (is_kill && command.args().len() == 1)
            .then(|| self.kill(of_function).map_err(|error| error.with_command(|| command.label())))
    }

    /// Ends what runs, if it has written nothing and is of this kind. Compared with Redis 8.
    pub(super) fn kill(&self, of_function: bool) -> Result<Value> {
        let refuse = |text| Err(Error::server(text));
        let outcome = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
            let is_free = state & HAS_WRITTEN == 0;
            let is_meant = (state & IS_FUNCTION != 0) == of_function;
            (state & RUNS != 0 && is_free && is_meant).then_some(state | IS_KILLED)
        });
        match outcome {
            Ok(_) => Ok(Value::OK),
            Err(state) if state & RUNS == 0 => refuse("NOTBUSY No scripts in execution right now."),
            Err(state) if state & HAS_WRITTEN != 0 => refuse(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
                 termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ),
            Err(_) if of_function => refuse(
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            ),
            Err(_) => refuse(
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
            ),
        }
    }
}

/// A running script that others see, until this is dropped.
pub(super) struct Seen<'a>(&'a RunningScript);

impl Drop for Seen<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::SeqCst);
    }
}
