//! How much the host builds for a script outside of Lua's own memory, and how long it takes.

use mlua::Lua;

use super::raised::Raised;
use super::watchdog::Watchdog;

/// Bytes that are left for one text, reply or command. Without a bound, a table that contains itself twice would have a text of any length.
pub(super) struct Budget {
    left: usize,
    taken: u32,
    watchdog: Option<Watchdog>,
}

/// The most bytes of one of them.
const BYTES: usize = 128 << 20;

/// How many times something is taken between two looks at the clock.
const STEP: u32 = 1000;

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: BYTES, taken: 0, watchdog: None }
    }

    /// One that also ends when the time of the running script is used up.
    pub(super) fn timed(lua: &Lua) -> Self {
        let watchdog = lua.app_data_ref::<Watchdog>().map(|watchdog| watchdog.clone());
        Self { watchdog, ..Self::new() }
    }

    /// Takes bytes, if there are enough.
    pub(super) fn take(&mut self, bytes: usize) -> mlua::Result<()> {
        self.taken = self.taken.wrapping_add(1);
        if self.taken.is_multiple_of(STEP)
            && let Some(watchdog) = &self.watchdog
            && let Some(why) = watchdog.why_over()
        {
            return Err(Raised::reply(&why));
        }
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(mlua::Error::MemoryError("not enough memory".to_owned())),
        }
    }
}
